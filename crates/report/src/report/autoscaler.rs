//! What a report says of the autoscaler: how it did, or why nobody knows.

use rehearsal_verdict::Generator;
use rehearsal_verdict::elasticity::Assessment;
use serde::{Deserialize, Serialize};

/// What is said of the autoscaler. Serialized, it is `autoscaler` in `summary.json`, whose key `observed` tells the two
/// apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum AutoscalerRow {
    /// Nobody can say anything of it.
    NotJudged {
        /// Why not, as the end of a sentence.
        why: String,
    },
    /// How it did.
    Judged(Box<Assessment>),
}

/// The form in the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Judged(Box<Assessment>),
    NotJudged { observed: bool, why: String },
}

impl AutoscalerRow {
    /// Says why it was not judged.
    pub fn not_judged(why: impl Into<String>) -> AutoscalerRow {
        AutoscalerRow::NotJudged { why: why.into() }
    }

    /// What there is to be said of it, if it was judged.
    pub fn assessment(&self) -> Option<&Assessment> {
        match self {
            AutoscalerRow::NotJudged { .. } => None,
            AutoscalerRow::Judged(assessment) => Some(assessment),
        }
    }

    /// Weighs what is said beside the load generator, as the run's judge does.
    pub(super) fn beside(self, generator: &Generator) -> AutoscalerRow {
        match self {
            AutoscalerRow::NotJudged { .. } => self,
            AutoscalerRow::Judged(assessment) => AutoscalerRow::Judged(Box::new(assessment.beside(generator))),
        }
    }
}

impl From<AutoscalerRow> for Written {
    fn from(row: AutoscalerRow) -> Written {
        match row {
            AutoscalerRow::NotJudged { why } => Written::NotJudged { observed: false, why },
            AutoscalerRow::Judged(assessment) => Written::Judged(assessment),
        }
    }
}

impl From<Written> for AutoscalerRow {
    fn from(written: Written) -> AutoscalerRow {
        match written {
            Written::NotJudged { why, .. } => AutoscalerRow::NotJudged { why },
            Written::Judged(assessment) => AutoscalerRow::Judged(assessment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row: &AutoscalerRow, observed: bool) {
        let json = serde_json::to_value(row).unwrap();
        assert_eq!(json["observed"], observed, "{json}");
        assert_eq!(serde_json::from_value::<AutoscalerRow>(json).unwrap(), *row);
    }

    #[test]
    fn reading_undoes_writing() {
        check(&AutoscalerRow::not_judged("no observer is configured"), false);
        let figures = [("under_share".to_owned(), 12.5)].into();
        check(&AutoscalerRow::Judged(Box::new(Assessment { figures, ..Assessment::default() })), true);
    }

    /// The form that files had before an autoscaler could be judged.
    #[test]
    fn what_was_not_observed_has_its_reason() {
        let row = r#"{"observed":false,"why":"no observer is configured"}"#;
        let read: AutoscalerRow = serde_json::from_str(row).unwrap();
        assert_eq!(read, AutoscalerRow::not_judged("no observer is configured"));
        assert_eq!(serde_json::to_string(&read).unwrap(), row);
    }
}
