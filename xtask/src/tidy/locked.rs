//! What no dependency may bring in.

use super::Finding;
use super::tree::Tree;

/// Other providers of cryptography than ring. With two of them in one program rustls does not know which one is meant, and
/// panics at the first connection unless somebody has chosen.
const PROVIDERS: [&str; 4] = ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "boring-sys"];

pub fn look(tree: &Tree) -> Vec<Finding> {
    let lines = tree.text("Cargo.lock").unwrap_or_default().lines().enumerate();
    let named = lines.filter_map(|(number, line)| {
        let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
        PROVIDERS.contains(&name).then_some((number + 1, name))
    });
    let found = |(line, name): (usize, &str)| {
        Finding::error(
            "Cargo.lock",
            line,
            format!(
                "{name} is in the tree: ring alone does the cryptography; see who brings it in with `cargo tree -i {name}`"
            ),
        )
    };
    named.map(found).collect()
}
