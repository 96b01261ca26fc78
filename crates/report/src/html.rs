//! `report.html`: a page that holds its own data, and a plain one for programs that were built without it.

mod plain;

use serde::Serialize;

use crate::RunReport;
use crate::view::{RunNow, Second, bands};

pub use plain::fallback_html;

/// Where the bundled page wants its data.
const PLACEHOLDER: &str = "<!--REHEARSAL-DATA-->";

/// Why a page could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The page has no place for the data, so it is not the one that was meant.
    #[error("filling the report page: it has no `{PLACEHOLDER}`; build the dashboard's files again")]
    NoPlaceholder,
    /// The data cannot be written.
    #[error("filling the report page: writing its data")]
    Data(#[from] serde_json::Error),
}

/// Everything that the page shows.
#[derive(Serialize)]
struct Data<'a> {
    report: &'a RunReport,
    run: &'a RunNow,
    seconds: &'a [Second],
    bands: Vec<f64>,
}

/// Fills the bundled page with a run: `report` in the form of `summary.json`, `run`, `seconds`, and the `bands` of their heat.
///
/// # Errors
/// When the template is not the bundled page.
pub fn html(template: &str, report: &RunReport, run: &RunNow, seconds: &[Second]) -> Result<String, HtmlError> {
    let (before, after) = template.split_once(PLACEHOLDER).ok_or(HtmlError::NoPlaceholder)?;
    let data = inert(&serde_json::to_string(&Data { report, run, seconds, bands: bands() })?);
    Ok(format!("{before}<script type=\"application/json\" id=\"rehearsal-data\">{data}</script>{after}"))
}

/// Escapes, inside JSON, all that HTML or JavaScript could take for something else. In JSON these characters stand only in
/// strings, where an escape means the same.
fn inert(json: &str) -> String {
    let mut inert = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => inert.push_str("\\u003c"),
            '>' => inert.push_str("\\u003e"),
            '&' => inert.push_str("\\u0026"),
            '\u{2028}' => inert.push_str("\\u2028"),
            '\u{2029}' => inert.push_str("\\u2029"),
            character => inert.push(character),
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::RunTime;
    use serde_json::Value;

    use super::*;
    use crate::example::{self, CORES};
    use crate::view::whole;

    const PAGE: &str = "<!doctype html><main></main><!--REHEARSAL-DATA--><script>start()</script>";

    fn data_of(page: &str) -> Value {
        let (_, rest) = page.split_once("id=\"rehearsal-data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn the_page_holds_the_same_numbers() {
        let example = example::example();
        let seconds = whole(&example.timeline, None, RunTime::ZERO, CORES);
        let page = html(PAGE, &example.report, &RunNow::default(), &seconds).unwrap();
        assert!(page.starts_with("<!doctype html><main></main><script type=\"application/json\""));
        assert!(page.ends_with("</script><script>start()</script>"));
        let data = data_of(&page);
        assert_eq!(data["report"], serde_json::from_str::<Value>(&example.report.to_json().unwrap()).unwrap());
        assert_eq!(data["seconds"].as_array().unwrap().len(), seconds.len());
        assert_eq!(data["bands"].as_array().unwrap().len(), bands().len());
    }

    #[test]
    fn no_text_ends_the_data() {
        let mut report = example::report();
        let hostile = "</script><script>alert(1)</script><!-- <script> & \u{2028}\u{2029}]]>";
        report.errors[0].sample = hostile.to_owned();
        report.calls[0].name = hostile.to_owned();
        let run = RunNow { scenario: hostile.to_owned(), ..RunNow::default() };
        let page = html(PAGE, &report, &run, &[]).unwrap();
        assert_eq!(
            page.matches('<').count(),
            html("<!--REHEARSAL-DATA-->", &example::report(), &RunNow::default(), &[]).unwrap().matches('<').count()
                + 5
        );
        let data = data_of(&page);
        assert_eq!(data["report"]["errors"][0]["sample"], hostile);
        assert_eq!(data["report"]["calls"][0]["name"], hostile);
        assert_eq!(data["run"]["scenario"], hostile);
    }

    #[test]
    fn another_page_is_refused() {
        let error = html("<html></html>", &example::report(), &RunNow::default(), &[]).unwrap_err();
        assert!(error.to_string().contains("build the dashboard's files again"));
    }
}
