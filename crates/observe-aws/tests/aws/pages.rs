//! The reference pages: every observer has one, and what stands in them is understood.

use rehearsal_observe_aws::ALL;

use crate::amazon::sources_of;
use crate::harness::check_page;

#[test]
fn every_observer_has_a_page_whose_examples_are_understood() {
    for (name, _) in ALL {
        check_page(name, sources_of);
    }
}
