//! The pages that the build has bundled: the dashboard's files, and the page that a report is filled into.

use rehearsal_api::Asset;

include!(concat!(env!("OUT_DIR"), "/web.rs"));
