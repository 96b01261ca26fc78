//! Writes shapes as the XML with which Amazon's older services answer forms.

use std::fmt::Write;

use crate::shape::{Shape, printed};

/// Writes a shape behind what is there. `member` is the name that the parts of lists have: `member`, or `item` in EC2.
pub fn write(shape: &Shape, member: &str, out: &mut String) {
    match shape {
        Shape::Nothing => {}
        Shape::Text(text) => escape(text, out),
        Shape::Whole(number) => out.push_str(&number.to_string()),
        Shape::Number(number) => out.push_str(&number.to_string()),
        Shape::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Shape::Time(instant) => out.push_str(&printed(*instant)),
        Shape::List(parts) => parts.iter().for_each(|part| element(member, part, member, out)),
        Shape::Map(parts) => {
            let there = parts.iter().filter(|(_, part)| *part != Shape::Nothing);
            there.for_each(|(name, part)| element(name, part, member, out));
        }
    }
}

fn element(name: &str, part: &Shape, member: &str, out: &mut String) {
    // Writing to a text cannot fail.
    let _ = write!(out, "<{name}>");
    write(part, member, out);
    let _ = write!(out, "</{name}>");
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_name_that_is_asked_for() {
        let said = Shape::map([("a", Shape::list(["x<y"])), ("b", Shape::Nothing), ("c", Shape::List(Vec::new()))]);
        let mut out = String::new();
        write(&said, "item", &mut out);
        assert_eq!(out, "<a><item>x&lt;y</item></a><c></c>");
    }
}
