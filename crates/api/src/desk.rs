//! What the API asks of whoever keeps the runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rehearsal_report::view::{ScalerPicture, Snapshot};
use tokio::sync::watch;

use crate::{Answer, Command, Forecast, Frame, Refusal, ReportFile, ReportFormat, RunEntry, RunRequest, ScenarioEntry};

/// An answer that may take a while. Boxed, so that routes can be written without knowing whose desk they stand at; an
/// implementation says `Box::pin(async move { … })`.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// Keeps the runs: knows scenarios, starts runs, answers for them, live or finished.
///
/// Where a `run` is asked for it is an id that is safe as the name of a file, or `last`: the newest run. The methods that are
/// not asynchronous are called on the server's threads and must return at once. A reply is dropped where it waits when whoever
/// asked hangs up: what must come to its end all the same, such as a start, belongs into a task of the desk's own.
pub trait Desk: Send + Sync + 'static {
    /// Lists the scenarios that can be started. A request for any other scenario or environment is refused before it gets here.
    fn scenarios(&self) -> Vec<ScenarioEntry>;

    /// Says what a run would do, without starting it.
    fn forecast(&self, request: RunRequest) -> Reply<'_, Forecast>;

    /// Starts a run in the name of `by` and returns its id as soon as there is one.
    fn start<'a>(&'a self, request: RunRequest, by: &'a str) -> Reply<'a, String>;

    /// Lists all runs, newest first.
    fn runs(&self) -> Vec<RunEntry>;

    /// Hands out a run's newest frame. The sender is dropped when no other will come, because the run is over; a finished
    /// run's receiver comes without a sender. The channel keeps its last frame.
    ///
    /// # Errors
    /// When there is no such run.
    fn watch(&self, run: &str) -> Result<watch::Receiver<Arc<Frame>>, Refusal>;

    /// Shows a run, live or finished, with the seconds that changed after revision `since`: all with 0, none with
    /// [`u64::MAX`].
    fn snapshot<'a>(&'a self, run: &'a str, since: u64) -> Reply<'a, Snapshot>;

    /// Shows what was seen of the autoscaler under a run, live or finished, with the samples from `from_s` on, in
    /// seconds of run time; asked with a finite number.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] also when the run does not observe one.
    fn autoscaler<'a>(&'a self, run: &'a str, from_s: f64) -> Reply<'a, ScalerPicture>;

    /// Carries out a command in the name of `by` and says who applied it when.
    fn command<'a>(&'a self, run: &'a str, by: &'a str, command: Command) -> Reply<'a, Answer>;

    /// Writes the report of a run.
    fn report<'a>(&'a self, run: &'a str, format: ReportFormat) -> Reply<'a, ReportFile>;

    /// Deletes a run that is over, with all its files.
    fn delete<'a>(&'a self, run: &'a str) -> Reply<'a, ()>;

    /// Tells the figures of the live run as OpenMetrics text, which ends in `# EOF`.
    fn metrics(&self) -> String;
}
