//! From a file name to a plan: reads the scenario, lays the environment's layers over each other, validates all of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rehearsal_plan::{Data, Environment, Layer, Plan, Problem, Target};
use rehearsal_script::{Diagnostic, Severity, Source, validate};
use rehearsal_verdict::amounts::counted;

use crate::cli::Place;
use crate::demo::scaling;
use crate::run::target;
use crate::scaler::sources;

/// Far more than anybody writes; what is larger is another file by mistake.
const LARGEST_SCENARIO: u64 = 1 << 20;

/// What tells an agent who and where it is: no keys of the environment.
const AGENTS_OWN: [&str; 2] = [rehearsal_agent::JOIN_VARIABLE, rehearsal_agent::REGION_VARIABLE];

/// A scenario that can be run.
#[derive(Clone)]
pub struct Prepared {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// The text.
    pub source: Source,
    /// The environment's name.
    pub environment_name: String,
    /// The environment, all layers applied.
    pub environment: Environment,
    /// What is to be done.
    pub plan: Plan,
    /// The rows that users draw from.
    pub data: Arc<Data>,
    /// The same as it travels to agents: the content of each file, by name.
    pub data_files: Arc<BTreeMap<String, String>>,
    /// What may not be as meant.
    pub warnings: Vec<Diagnostic>,
    /// Where all of this was read.
    pub place: Place,
}

/// Why it cannot be run.
pub enum Unprepared {
    /// Mistakes of whoever wrote scenario or environment, all of them.
    Mistakes(Vec<Diagnostic>, Source),
    /// Something that is not about their content.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Unprepared {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads and validates everything.
pub fn prepare(place: &Place) -> Result<Prepared, Unprepared> {
    let path = &place.scenario;
    let file = path.display().to_string();
    let text = match fs::metadata(path).map(|known| known.len()) {
        Ok(bytes) if bytes > LARGEST_SCENARIO => {
            Err(std::io::Error::other(format!("it has {bytes} bytes, more than {LARGEST_SCENARIO}")))
        }
        _ => fs::read_to_string(path),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let source = Source { name: file.clone(), text: String::new() };
            let hint = Some("name a text file in UTF-8, such as scenarios/broadcast_vote.rhai".to_owned());
            return Err(Unprepared::Mistakes(
                vec![mistake(&file, format!("reading the scenario failed: {error}"), hint)],
                source,
            ));
        }
    };
    let source = Source { name: file, text };
    let environment = match environment(place) {
        Ok(environment) => environment,
        Err(mistakes) => return Err(Unprepared::Mistakes(mistakes, source)),
    };
    let mut validated = validate(&source, &environment);
    // Where the demo will listen is known only at the start.
    let admin = environment.admin_url("http://system-under-test.invalid");
    let mut problems = sources(&environment, &admin).err().unwrap_or_default();
    problems.extend(environment.demo.as_ref().and_then(|instances| scaling(instances).err()));
    if !problems.is_empty() {
        let mistakes = problems.into_iter().map(|problem| from_problem(&place.surroundings.env, problem));
        validated.diagnostics.extend(mistakes);
        return Err(Unprepared::Mistakes(validated.diagnostics, source));
    }
    let Some(plan) = validated.plan else { return Err(Unprepared::Mistakes(validated.diagnostics, source)) };
    validated.diagnostics.extend(about_admin(&environment, &place.surroundings.env, &plan));
    let data = Data::read(&plan, &validated.data).map_err(|problem| anyhow::anyhow!("reading the {problem}"))?;
    let name = path.file_stem().context("the scenario has no file name")?.to_string_lossy().into_owned();
    Ok(Prepared {
        name,
        source,
        environment_name: place.surroundings.env.clone(),
        environment,
        plan,
        data: Arc::new(data),
        data_files: Arc::new(validated.data),
        warnings: validated.diagnostics,
        place: place.clone(),
    })
}

/// Asks whether the target can be followed, if it is a service that is; what is wrong with that is no less a mistake than one
/// in a file, but only whoever asks Consul can know.
pub async fn unfit_target(prepared: &Prepared) -> Option<Diagnostic> {
    let problem = target::look(&prepared.environment).await.err()?;
    Some(from_problem(&prepared.environment_name, problem))
}

/// Cues go to whichever instance a connection reaches, unless somebody says where all of them hear it.
fn about_admin(environment: &Environment, environment_name: &str, plan: &Plan) -> Option<Diagnostic> {
    let Target::Consul(service) = &environment.target else { return None };
    let is_left_open = environment.admin.is_none() && !plan.cues.is_empty();
    is_left_open.then(|| {
        let message = format!("cues are sent to {}/admin of any one instance: `admin` is not set", service.url());
        let hint = "set `admin` to what reaches all instances, unless each passes on to the others what it is told";
        Diagnostic { severity: Severity::Warning, ..from_problem(environment_name, Problem::new(message).hint(hint)) }
    })
}

/// The same for people at a terminal: mistakes and warnings are drawn there, and with mistakes there is nothing to run.
pub fn prepared_or_told(place: &Place) -> anyhow::Result<Option<Prepared>> {
    match prepare(place) {
        Ok(prepared) => {
            print(&prepared.warnings, &prepared.source);
            Ok(Some(prepared))
        }
        Err(Unprepared::Mistakes(mistakes, source)) => {
            print(&mistakes, &source);
            Ok(None)
        }
        Err(Unprepared::Failed(error)) => Err(error),
    }
}

/// base.toml if there is one, the environment's own file, REHEARSAL_* variables, --set.
fn environment(place: &Place) -> Result<Environment, Vec<Diagnostic>> {
    let folder = place.scenario.parent().unwrap_or(Path::new("")).join("environments");
    let own = folder.join(format!("{}.toml", place.surroundings.env));
    let mut layers = Vec::new();
    for (path, required) in [(folder.join("base.toml"), false), (own, true)] {
        match fs::read_to_string(&path) {
            Ok(toml) => layers.push(Layer { name: path.display().to_string(), toml }),
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(vec![missing(&path, &folder, &error)]),
        }
    }
    let variables: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("REHEARSAL_") && !AGENTS_OWN.contains(&name.as_str()))
        .collect();
    let read = Environment::from_layers(&layers, &variables, &place.surroundings.set);
    read.map_err(|problems| {
        problems.into_iter().map(|problem| from_problem(&place.surroundings.env, problem)).collect()
    })
}

fn missing(path: &Path, folder: &Path, error: &std::io::Error) -> Diagnostic {
    let others: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let mut names: Vec<String> = others
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| name != "base")
        .collect();
    names.sort();
    let hint = match names.is_empty() {
        true => format!("make it, for example with the line: target = \"demo\" ({} holds none yet)", folder.display()),
        false => format!("choose one with --env: {}", names.join(", ")),
    };
    mistake(&path.display().to_string(), format!("reading the environment failed: {error}"), Some(hint))
}

fn from_problem(environment: &str, problem: Problem) -> Diagnostic {
    mistake(&format!("environment {environment}"), problem.message, problem.hint)
}

fn mistake(file: &str, message: String, hint: Option<String>) -> Diagnostic {
    Diagnostic { file: file.to_owned(), line: 0, column: 0, severity: Severity::Error, message, hint }
}

/// Draws mistakes on standard error, each with its line and a caret, and counts them.
pub fn print(diagnostics: &[Diagnostic], source: &Source) {
    let stderr = std::io::stderr();
    let colour = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = stderr.lock();
    for diagnostic in diagnostics {
        let _ = writeln!(out, "{}\n", diagnostic.render(&source.text, colour));
    }
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count() as u64;
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        let _ = writeln!(out, "{}: {errors}, {warnings}", source.name);
    }
}
