//! Anything that answers a GET with JSON: numbers and lists are found by JSON pointers.

use std::time::SystemTime;

use futures_util::future::BoxFuture;

use crate::json::Pointers;
use crate::observation::{Failure, Role, Sample};
use crate::observer::Observer;
use crate::settings::{self, Settings};
use crate::web::Web;

/// Gets one document and reads it.
pub struct Http {
    pub web: Web,
    pub pointers: Pointers,
}

/// Takes `url`, the keys of [`Web`] and those of [`Pointers`].
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let url = settings.require("url", settings::url);
    let web = Web::from_settings(settings, url);
    let pointers = Pointers::from_settings(settings, role);
    Some(Box::new(Http { web: web?, pointers: pointers? }))
}

impl Observer for Http {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async { self.pointers.read(&self.web.get(self.web.base()).await?.json()?) })
    }

    fn is_dated(&self) -> bool {
        self.pointers.is_dated()
    }
}
