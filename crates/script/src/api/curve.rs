//! `curve("file.csv")`: a load whose users come as a file says.

use rehearsal_plan::{Load, Problem, Stay, read_curve};
use rhai::{Engine, ImmutableString, NativeCallContext};

use super::Fallible;
use super::plan::note_problem;
use crate::files::text_of_file;

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("curve", |context: NativeCallContext, path: ImmutableString| -> Fallible<Load> {
        Ok(Load::Curve { seconds: seconds_of(&context, &path)?, stay: Stay::UntilDone })
    });
}

/// Reads the file. Whatever is wrong with it is noted, and one user goes on in its place.
fn seconds_of(context: &NativeCallContext, path: &str) -> Fallible<Vec<(u64, u64)>> {
    let read = text_of_file(path).ok_or("curve() reads a file, which only plan() can do")?;
    let read = match read {
        Ok(text) => read_curve(&text),
        Err(error) => {
            let hint = "a path begins at the folder of the scenario; the file has the columns `seconds,users`";
            Err(vec![Problem::new(format!("reading the file failed: {error}")).hint(hint)])
        }
    };
    Ok(read.unwrap_or_else(|problems| {
        for problem in problems {
            note_problem(context, problem.within(format_args!("curve(\"{path}\")")));
        }
        vec![(0, 1)]
    }))
}
