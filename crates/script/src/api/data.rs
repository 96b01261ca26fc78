//! `csv("file.csv")` in the plan, and the rows that users draw from it: `data.accounts.next()`, `data.accounts.random()`.

use std::rc::Rc;
use std::sync::Arc;

use rand::RngExt;
use rehearsal_plan::{Data, DataSource, Exhausted, Problem, Rows, nearest};
use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

use super::Fallible;
use super::plan::note_problem;
use crate::call::Call;
use crate::current::{ask, require};
use crate::files::text_of_file;

/// The functions of a source.
pub(crate) const METHODS: &[&str] = &["next", "random"];

/// A file of rows as `plan()` declares it.
#[derive(Clone)]
pub(crate) struct Csv {
    pub(crate) source: DataSource,
    pub(crate) text: Rc<String>,
    /// How many rows it has; none if it cannot be read, which was noted.
    pub(crate) rows: Option<u64>,
}

/// `data` in a running script.
#[derive(Clone, Default)]
pub(crate) struct DataHandle(Arc<Data>);

impl DataHandle {
    pub(crate) fn new(data: Arc<Data>) -> Self {
        Self(data)
    }

    fn source(&mut self, name: &str) -> Fallible<SourceHandle> {
        let sources = self.0.sources();
        match sources.iter().position(|source| source.name == name) {
            Some(place) => Ok(SourceHandle { data: Arc::clone(&self.0), place }),
            None => Err(unknown_source(name, sources.iter().map(|source| source.name.as_str())).to_string().into()),
        }
    }
}

/// What is wrong with the name of a source, and what the plan declares.
pub(crate) fn unknown_source<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let problem = Problem::new(format!("the plan declares no data `{name}`"));
    match nearest(name, known) {
        Some(near) => problem.hint(format!("did you mean `data.{near}`?")),
        None => problem.hint(format!("add it to the map of plan(): data: #{{ {name}: csv(\"{name}.csv\") }}")),
    }
}

/// `data.accounts`.
#[derive(Clone)]
pub(crate) struct SourceHandle {
    data: Arc<Data>,
    place: usize,
}

/// Why a user fails who asks for a row when there are no more.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the data `{source_name}` has no row {row} for user {user}: its last row is {last}")]
pub(crate) struct NoMoreRows {
    source_name: String,
    /// From 0, as users are counted.
    row: u128,
    last: u64,
    user: u64,
}

pub(super) fn is_handle(value: &Dynamic) -> bool {
    value.read_lock::<SourceHandle>().is_some()
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Csv>("Csv");
    engine.register_fn("csv", |context: NativeCallContext, path: ImmutableString| csv(&context, &path));
    engine.register_fn("exhausted", |context: NativeCallContext, csv: &mut Csv, how: ImmutableString| {
        csv.source.exhausted = exhausted(&context, &how);
        csv.clone()
    });
    engine.register_type_with_name::<DataHandle>("Data").register_type_with_name::<SourceHandle>("Source");
    engine.register_indexer_get(|data: &mut DataHandle, name: ImmutableString| data.source(&name));
    engine.register_fn("next", |source: &mut SourceHandle| source.next());
    engine.register_fn("random", |source: &mut SourceHandle| source.random());
    engine.register_type_with_name::<NoMoreRows>("NoMoreRows");
    engine.register_fn("to_string", |error: &mut NoMoreRows| error.to_string());
    engine.register_fn("to_debug", |error: &mut NoMoreRows| error.to_string());
}

/// Reads the file. Whatever is wrong with it is noted, and the declaration goes on without rows.
fn csv(context: &NativeCallContext, path: &str) -> Fallible<Csv> {
    let read = match text_of_file(path).ok_or("csv() reads a file, which only plan() can do")? {
        Ok(text) => Rows::read(&text).map(|rows| (text, rows.len())),
        Err(error) => {
            let problem = Problem::new(format!("reading the file failed: {error}"));
            let hint = "a path begins at the folder of the scenario; the first line of the file names the columns";
            Err(vec![problem.hint(hint)])
        }
    };
    let source = DataSource { path: path.to_owned(), exhausted: Exhausted::default() };
    Ok(match read {
        Ok((text, rows)) => Csv { source, text: Rc::new(text), rows: Some(rows) },
        Err(problems) => {
            for problem in problems {
                note_problem(context, problem.within(format_args!("csv(\"{path}\")")));
            }
            Csv { source, text: Rc::default(), rows: None }
        }
    })
}

fn exhausted(context: &NativeCallContext, how: &str) -> Exhausted {
    let known = Exhausted::ALL.iter().find(|(_, name)| *name == how);
    known.map(|(exhausted, _)| *exhausted).unwrap_or_else(|| {
        let problem = Problem::new(format!("exhausted() takes \"stop\", \"wrap\" or \"error\", not \"{how}\""));
        note_problem(context, problem.did_you_mean(how, Exhausted::ALL.iter().map(|(_, name)| *name)));
        Exhausted::default()
    })
}

impl SourceHandle {
    /// The user's next row. When there are no more the user leaves, or it is an error, as the plan says.
    fn next(&self) -> Fallible<Map> {
        let host = require("next()")?;
        let user = host.user();
        let source = &self.data.sources()[self.place];
        let draw = user.count_draw(self.place).ok_or_else(|| {
            format!("the rows of data.{}.next() are those of users: the coordinator draws random()", source.name)
        })?;
        match (self.data.row_of(source, user.number, draw), source.exhausted) {
            (Ok(row), _) => Ok(self.map_of(row)),
            (Err(_), Exhausted::Stop) => {
                ask("next()", Call::LeaveForGood)?;
                Err("the user leaves".into())
            }
            (Err(row), _) => {
                let (last, source_name) = (source.rows.len() - 1, source.name.clone());
                let error = NoMoreRows { source_name, row, last, user: user.number };
                Err(EvalAltResult::ErrorRuntime(Dynamic::from(error), Position::NONE).into())
            }
        }
    }

    /// Any row, by the user's own chance.
    fn random(&self) -> Fallible<Map> {
        let host = require("random()")?;
        let rows = self.data.sources()[self.place].rows.len();
        let row = host.user().random.borrow_mut().random_range(0..rows);
        Ok(self.map_of(row))
    }

    fn map_of(&self, row: u64) -> Map {
        let fields = self.data.sources()[self.place].rows.row(row);
        fields.map(|(column, field)| (column.into(), field.into())).collect()
    }
}
