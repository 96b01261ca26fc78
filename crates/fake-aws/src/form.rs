//! Reads the forms in which Amazon's older services take their calls: `A.1.B=c` is the `B` of the first of a list `A`.

use serde_json::{Map, Value};

/// How a form writes a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// `Names.member.2=b`, as most services do.
    Member,
    /// `Name.2=b`, as EC2 does.
    Numbered,
}

/// How deep the parts of a form may lie in each other. Amazon's own need eight.
const DEEPEST: usize = 16;

/// Makes of a form what it means: maps, lists and texts.
#[must_use]
pub fn read(body: &[u8], style: Lists) -> Value {
    let mut root = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let mut names: Vec<&str> = name.split('.').collect();
        let last = names.pop().unwrap_or_default();
        if names.len() > DEEPEST {
            continue;
        }
        let mut place = Some(&mut root);
        for name in names {
            let next =
                place.and_then(|place| place.entry(name).or_insert_with(|| Value::Object(Map::new())).as_object_mut());
            place = next;
        }
        // A name below one that has a value itself means nothing; Amazon's clients write none.
        if let Some(place) = place {
            place.insert(last.into(), Value::String(value.into_owned()));
        }
    }
    lists(Value::Object(root), style)
}

/// Makes lists of the maps that stand for one.
fn lists(value: Value, style: Lists) -> Value {
    let Value::Object(mut map) = value else { return value };
    let members = match style {
        Lists::Member if map.len() == 1 => match map.get_mut("member").map(Value::take) {
            Some(Value::Object(members)) => Some(members),
            _ => None,
        },
        Lists::Numbered if !map.is_empty() && map.keys().all(|name| name.parse::<u64>().is_ok()) => {
            Some(std::mem::take(&mut map))
        }
        _ => None,
    };
    let Some(members) = members else {
        return Value::Object(map.into_iter().map(|(name, value)| (name, lists(value, style))).collect());
    };
    let numbered = members.into_iter().filter_map(|(index, member)| Some((index.parse().ok()?, lists(member, style))));
    let mut numbered: Vec<(u64, Value)> = numbered.collect();
    numbered.sort_by_key(|(index, _)| *index);
    numbered.into_iter().map(|(_, member)| member).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_to_write_lists_are_read() {
        let written = "A=x&B.member.2=b&B.member.1=a%20c&C.member.1.D.member.1=v";
        let expected = json!({ "A": "x", "B": ["a c", "b"], "C": [{ "D": ["v"] }] });
        assert_eq!(read(written.as_bytes(), Lists::Member), expected);
        let written = "A=x&B.2=b&B.10=c&B.1=a&C.1.D.1=v&C.1.E=w";
        let expected = json!({ "A": "x", "B": ["a", "b", "c"], "C": [{ "D": ["v"], "E": "w" }] });
        assert_eq!(read(written.as_bytes(), Lists::Numbered), expected);
    }

    #[test]
    fn nonsense_is_left_out() {
        let deep = format!("A=x&{}=1", "a.".repeat(400_000));
        assert_eq!(read(deep.as_bytes(), Lists::Numbered), json!({ "A": "x" }));
        assert_eq!(read(b"a=y&a.1=x", Lists::Numbered), json!({ "a": "y" }));
    }
}
