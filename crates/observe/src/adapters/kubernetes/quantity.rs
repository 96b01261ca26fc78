//! Quantities as Kubernetes writes them: `250m` is a quarter, `1Ki` is 1024.

/// The suffixes with their factors, <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
const SUFFIXES: [(&str, f64); 16] = [
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("", 1.0),
];

/// Reads a quantity; `None` when it is none.
pub fn parse(text: &str) -> Option<f64> {
    let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    let is_decimal = number.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && number.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = number.parse().ok().filter(|_| is_decimal)?;
    Some(number * factor).filter(|amount| amount.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_factors() {
        for (text, expected) in [
            ("3", Some(3.0)),
            ("250m", Some(0.25)),
            ("1500u", Some(0.0015)),
            ("-2k", Some(-2_000.0)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("2E", Some(2e18)),
            ("1e3", Some(1_000.0)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("inf", None),
            ("1 m", None),
            ("9e999", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
