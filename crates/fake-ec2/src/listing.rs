//! How lists are asked for: by filters, in pages.

use rehearsal_fake_aws::Shape;

use crate::call::{Call, Fields, Tags};
use crate::refusal::Refusal;

/// What filters can look at in one thing.
pub(crate) struct Seen<'a> {
    /// Its tags, if it can have some.
    pub tags: Option<&'a Tags>,
    /// What else there is, by the name of the filter. A filter of another name is refused.
    pub attributes: Vec<(&'static str, Vec<String>)>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new<const N: usize>(tags: Option<&'a Tags>, attributes: [(&'static str, String); N]) -> Seen<'a> {
        Seen { tags, attributes: attributes.map(|(name, value)| (name, vec![value])).into() }
    }

    /// The values that a filter of this name compares.
    fn values(&self, name: &str) -> Option<Vec<&str>> {
        if let Some(tags) = self.tags {
            if let Some(key) = name.strip_prefix("tag:") {
                return Some(tags.get(key).map(String::as_str).into_iter().collect());
            }
            if name == "tag-key" {
                return Some(tags.keys().map(String::as_str).collect());
            }
        }
        let (_, values) = self.attributes.iter().find(|(known, _)| *known == name)?;
        Some(values.iter().map(String::as_str).collect())
    }

    /// Whether all filters of a call let it through. Of the values of one filter, one is enough.
    pub(crate) fn passes(&self, call: &Call) -> Result<bool, Refusal> {
        for filter in call.fields.list("Filter") {
            let name = filter.text("Name").ok_or_else(|| Refusal::missing("Filter.Name"))?;
            let values = self.values(name);
            let values = values.ok_or_else(|| Refusal::value(format!("The filter '{name}' is invalid")))?;
            let wanted = filter.texts("Value");
            if !values.iter().any(|value| wanted.iter().any(|pattern| fits(pattern, value))) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a text fits a pattern, in which `*` is anything and `?` any one letter.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how far the text had come: from there on, the star takes one letter more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

/// How long pages of an action may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageBounds {
    pub fewest: usize,
    pub most: usize,
}

/// What most actions allow.
pub(crate) const PAGES: PageBounds = PageBounds { fewest: 5, most: 1_000 };

/// Cuts one page out of things that stand in the order of their numbers; a token is the number of the last of a page, so
/// that nothing is told twice or left out when things come or go meanwhile.
pub(crate) fn page<T>(
    all: Vec<(u64, T)>,
    call: &Call,
    bounds: PageBounds,
    page_size: Option<usize>,
) -> Result<(Vec<T>, Shape), Refusal> {
    let asked = call.fields.count("MaxResults")?;
    if let Some(asked) = asked.filter(|asked| !(bounds.fewest..=bounds.most).contains(asked)) {
        let PageBounds { fewest, most } = bounds;
        let message = format!("Value ( {asked} ) for parameter maxResults is invalid. Expecting {fewest} to {most}.");
        return Err(Refusal::value(message));
    }
    let after = call.fields.text("NextToken").map(|token| {
        token
            .strip_prefix("after-")
            .and_then(|number| number.parse::<u64>().ok())
            .ok_or_else(|| Refusal::value("Unable to parse pagination token"))
    });
    let after = after.transpose()?;
    let most = asked.unwrap_or(usize::MAX).min(page_size.unwrap_or(usize::MAX)).max(1);
    let mut rest = all.into_iter().filter(|(number, _)| after.is_none_or(|after| *number > after));
    let page: Vec<(u64, T)> = rest.by_ref().take(most).collect();
    let token = match (rest.next(), page.last()) {
        (Some(_), Some((last, _))) => format!("after-{last}").into(),
        _ => Shape::Nothing,
    };
    Ok((page.into_iter().map(|(_, thing)| thing).collect(), token))
}

/// Numbers things that never come or go.
pub(crate) fn numbered<T>(all: impl IntoIterator<Item = T>) -> Vec<(u64, T)> {
    (0..).zip(all).collect()
}

/// Tags as answers have them.
pub(crate) fn tag_set(tags: &Tags) -> Shape {
    let tags =
        tags.iter().map(|(key, value)| Shape::map([("key", key.as_str().into()), ("value", value.as_str().into())]));
    Shape::List(tags.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: &str) -> Call {
        let signed = "Credential=K/20261122/us-east-1/ec2/aws4_request";
        Call::read(Some(signed), None, format!("Action=X&{body}").as_bytes()).unwrap()
    }

    #[test]
    fn patterns_have_stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("c7g.large", "c7g.large", true),
            ("c7g.*", "c7g.large", true),
            ("c?g.*arge", "c7g.xlarge", true),
            ("*", "", true),
            ("", "", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b", "aXbX", false),
            ("c7g", "c7g.large", false),
            ("?", "", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn filters_are_all_asked_and_one_value_is_enough() {
        let tags = Tags::from([("run".into(), "7".into())]);
        let seen = Seen::new(Some(&tags), [("instance-state-name", "running".into())]);
        let passes = |body: &str| seen.passes(&call(body));
        let running = "Filter.1.Name=instance-state-name&Filter.1.Value.1=pending&Filter.1.Value.2=running";
        assert_eq!(passes(""), Ok(true));
        assert_eq!(passes(running), Ok(true));
        assert_eq!(passes(&format!("{running}&Filter.2.Name=tag:run&Filter.2.Value.1=7")), Ok(true));
        assert_eq!(passes(&format!("{running}&Filter.2.Name=tag:run&Filter.2.Value.1=8")), Ok(false));
        assert_eq!(passes("Filter.1.Name=tag-key&Filter.1.Value.1=run"), Ok(true));
        assert_eq!(passes("Filter.1.Name=colour&Filter.1.Value.1=red").unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn pages_neither_repeat_nor_leave_out_what_goes_meanwhile() {
        let all = |from: u64| (from..20).map(|number| (number, number)).collect::<Vec<_>>();
        let (first, token) = page(all(0), &call("MaxResults=5"), PAGES, None).unwrap();
        assert_eq!((first, token), (vec![0, 1, 2, 3, 4], "after-4".into()));
        // Those of the first page have gone.
        let (second, token) = page(all(5), &call("NextToken=after-4&MaxResults=1000"), PAGES, Some(10)).unwrap();
        assert_eq!((second, token), ((5..15).collect(), "after-14".into()));
        let (last, token) = page(all(5), &call("NextToken=after-14"), PAGES, None).unwrap();
        assert_eq!((last, token), ((15..20).collect(), Shape::Nothing));
        assert!(page(all(0), &call("MaxResults=4"), PAGES, None).is_err());
        assert!(page(all(0), &call("NextToken=x"), PAGES, None).is_err());
    }
}
