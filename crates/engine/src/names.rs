//! The default name of a call: method and path, with what looks like an id folded, so that a million addresses are one row.

/// Writes the default name of a call into `name`: `GET /api/items/:id` for `GET /api/items/4711?page=2`.
pub(crate) fn default_name(name: &mut String, method: &str, path: &str) {
    name.clear();
    name.push_str(method);
    name.push(' ');
    if path.is_empty() || path == "/" {
        name.push('/');
        return;
    }
    for segment in path.trim_start_matches('/').split('/') {
        name.push('/');
        name.push_str(if is_id(segment) { ":id" } else { segment });
    }
}

/// Numbers, UUIDs, long hexadecimal texts, and long texts that mix letters with several digits.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_token = segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let is_number = !segment.is_empty() && digits == segment.len();
    is_number || (is_hex && digits > 0 && segment.len() >= 16) || (is_token && digits >= 4 && segment.len() >= 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let mut name = "left over".to_owned();
        default_name(&mut name, "GET", path);
        assert_eq!(name, expected, "{path}");
    }

    #[test]
    fn ids_are_folded_and_words_are_not() {
        check("/api/programme", "GET /api/programme");
        check("/api/items/4711/votes", "GET /api/items/:id/votes");
        check("/u/7f9c24e8-3b12-4fef-91e0-2bd54d27d8f1", "GET /u/:id");
        check("/t/0123456789abcdef", "GET /t/:id");
        check("/v2/episode-12", "GET /v2/episode-12");
        check("/session/eyJhbGciOi1234567890xyz", "GET /session/:id");
        check("/", "GET /");
        check("", "GET /");
        check("/api/", "GET /api/");
    }
}
