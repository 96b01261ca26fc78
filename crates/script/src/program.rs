//! A compiled scenario with the engine that runs it. One per thread: Rhai is built without locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rehearsal_plan::{Data, Environment};
use rhai::{
    AST, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Map, OptimizationLevel, Scope,
};

use crate::api;
use crate::api::data::DataHandle;
use crate::call::UserState;
use crate::current::require;
use crate::failure::{Failure, FailureKind};
use crate::options::unknown;
use crate::tree;
use crate::value::from_json;

/// A scenario's text and the name under which mistakes are reported.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file as the user named it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// What a script reads as `env`: the environment's own keys, and where the system under test is.
#[derive(Clone, Debug)]
pub struct Env(pub(crate) serde_json::Map<String, serde_json::Value>);

impl Env {
    /// The keys of an environment whose system under test is at `target`.
    #[must_use]
    pub fn new(environment: &Environment, target: &str) -> Self {
        let mut keys = environment.values.clone();
        keys.insert("target".into(), target.trim_end_matches('/').into());
        keys.insert("admin".into(), environment.admin_url(target).into());
        Self(keys)
    }
}

/// `env` in a running script; a missing key is an error.
#[derive(Clone)]
struct EnvHandle(Rc<Map>);

/// The running user as a script sees it: number, whether restored, and whatever the script stores.
#[derive(Clone)]
struct User(Rc<UserState>);

/// What the names `env`, `common`, `data` and the top-level constants stand for.
struct Globals {
    env: EnvHandle,
    common: RefCell<Dynamic>,
    data: RefCell<DataHandle>,
    constants: RefCell<Map>,
}

/// A scenario that can be run.
pub struct Program {
    pub(crate) engine: Engine,
    pub(crate) ast: AST,
    file: String,
    globals: Rc<Globals>,
}

impl Program {
    /// Compiles the text and evaluates its top-level constants.
    ///
    /// # Errors
    /// The first mistake that makes the text no program. [`crate::validate`] finds them all.
    pub fn compile(source: &Source, env: &Env) -> Result<Self, Failure> {
        Self::compile_optimised(source, env, OptimizationLevel::Simple)
    }

    pub(crate) fn compile_optimised(source: &Source, env: &Env, level: OptimizationLevel) -> Result<Self, Failure> {
        let failed = |error: Box<EvalAltResult>| Failure::new(&source.name, *error);
        let env = env.0.iter().map(|(key, value)| Ok((key.as_str().into(), from_json(value.clone())?)));
        let env = env.collect::<Result<Map, String>>().map_err(|error| failed(error.into()))?;
        let globals = Rc::new(Globals {
            env: EnvHandle(env.into()),
            common: Dynamic::UNIT.into(),
            data: RefCell::default(),
            constants: Map::new().into(),
        });
        let mut engine = api::engine();
        engine.set_optimization_level(level);
        register_globals(&mut engine, &globals);
        let ast = engine.compile(&source.text).map_err(|error| failed(Box::new(error.into())))?;
        let program = Self { engine, ast, file: source.name.clone(), globals };
        program.evaluate_constants().map_err(failed)?;
        Ok(program)
    }

    /// A function cannot see top-level constants in Rhai, so they are evaluated once and served by name.
    fn evaluate_constants(&self) -> Result<(), Box<EvalAltResult>> {
        let mut scope = Scope::new();
        self.engine.run_ast_with_scope(&mut scope, &self.ast)?;
        let mut constants = self.globals.constants.borrow_mut();
        constants.extend(
            scope.iter_raw().filter(|(_, constant, _)| *constant).map(|(name, _, value)| (name.into(), value.clone())),
        );
        Ok(())
    }

    /// Sets what `setup()` returned; scripts read it as `common`.
    ///
    /// # Errors
    /// When the value nests too deep.
    pub fn set_common(&self, common: serde_json::Value) -> Result<(), String> {
        *self.globals.common.borrow_mut() = from_json(common)?.into_read_only();
        Ok(())
    }

    /// Sets the rows that users draw from; scripts reach them as `data`.
    pub fn set_data(&self, data: Arc<Data>) {
        self.globals.data.replace(DataHandle::new(data));
    }

    /// Whether the scenario has a function of this name without parameters.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.ast.iter_functions().any(|function| function.name == name && function.params.is_empty())
    }

    /// Calls a script function without arguments.
    ///
    /// # Errors
    /// How it ended, if it did not return.
    pub fn run(&self, function: &str) -> Result<Dynamic, Failure> {
        let options = rhai::CallFnOptions::new().eval_ast(false);
        let result = self.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.ast, function, ());
        result.map_err(|error| self.failure(*error, function))
    }

    /// Explains an error of a function; where Rhai forgets the place, the tree tells the likely one.
    fn failure(&self, error: EvalAltResult, function: &str) -> Failure {
        let failure = Failure::new(&self.file, error);
        let place = match failure.kind {
            FailureKind::Endless => tree::loop_of(&self.ast, function),
            // Sizes are mostly noticed at the place; chains of closures are not.
            FailureKind::Size if failure.line.is_none() => tree::loop_of(&self.ast, function),
            FailureKind::Recursion => tree::recursion_of(&self.ast, function),
            _ => None,
        };
        failure.at(place)
    }

    /// Calls a handler. A handler that takes fewer parameters than there are arguments gets the last ones: a handler of
    /// one parameter hears the data without the socket.
    ///
    /// # Errors
    /// How it ended, if it did not return.
    pub fn call(&self, handler: &FnPtr, mut arguments: Vec<Dynamic>) -> Result<Dynamic, Failure> {
        let taken = self.parameters(handler).unwrap_or(arguments.len());
        let arguments = arguments.split_off(arguments.len().saturating_sub(taken));
        handler.call(&self.engine, &self.ast, arguments).map_err(|error| self.failure(*error, handler.fn_name()))
    }

    /// How many arguments a handler takes beyond what it captured.
    fn parameters(&self, handler: &FnPtr) -> Option<usize> {
        let function = self.ast.iter_functions().find(|function| function.name == handler.fn_name())?;
        function.params.len().checked_sub(handler.curry().len())
    }

    /// The file under which failures are reported.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// `user`, `env`, `common`, `data`, `cue` and the constants are served when a name is looked up, so closures never capture them
/// and handlers that wait at the same time do not lock each other out.
#[allow(deprecated)] // Rhai marks `on_var` as volatile, not as going away
fn register_globals(engine: &mut Engine, globals: &Rc<Globals>) {
    engine.register_type_with_name::<EnvHandle>("Env");
    engine.register_indexer_get(|env: &mut EnvHandle, key: ImmutableString| -> Result<Dynamic, Box<EvalAltResult>> {
        let known: Vec<&str> = env.0.keys().map(|key| key.as_str()).collect();
        env.0.get(key.as_str()).cloned().ok_or_else(|| unknown("env", &key, &known).replace("option", "key").into())
    });
    engine.register_fn("contains", |env: &mut EnvHandle, key: ImmutableString| env.0.contains_key(key.as_str()));
    engine.register_type_with_name::<User>("User");
    engine.register_indexer_get(|user: &mut User, key: ImmutableString| match key.as_str() {
        "number" => Dynamic::from(i64::try_from(user.0.number).unwrap_or(i64::MAX)),
        "restored" => user.0.restored.into(),
        key => user.0.values.borrow().get(key).cloned().unwrap_or_default(),
    });
    // Values served by name count as constants, which only functions declared pure may touch.
    FuncRegistration::new_index_setter().with_purity(true).register_into_engine(
        engine,
        |user: &mut User, key: ImmutableString, value: Dynamic| -> Result<(), Box<EvalAltResult>> {
            match key.as_str() {
                "number" | "restored" => Err(format!("user.{key} is given and cannot be changed").into()),
                _ => {
                    // What the old value drops may be large: let it go after the borrow.
                    let _old = user.0.values.borrow_mut().insert(key.as_str().into(), value);
                    Ok(())
                }
            }
        },
    );
    let globals = Rc::clone(globals);
    let visits = Cell::new(0_u32);
    engine.on_var(move |name, index, context| {
        // A name that the parser found among the locals is the script's own.
        if index == 0 {
            return globals.serve(name);
        }
        visits.set(visits.get().wrapping_add(1));
        if visits.get().is_multiple_of(LOOK_AT_CLOSURES_EVERY)
            && let Some(value) = context.scope().get(name)
            && let Some(closure) = value.read_lock::<FnPtr>()
        {
            api::bounded_captures(&closure)?;
        }
        Ok(None)
    });
}

/// `loop { let g = f; f = || g.call(); }` makes a chain of closures that ends the process when it is let go: its links are
/// dropped one inside the other. Rhai's limits on sizes do not see it, so now and then a closure that is used is looked at.
/// A prime, so that no loop can keep its closures out of sight.
const LOOK_AT_CLOSURES_EVERY: u32 = 61;

impl Globals {
    fn serve(&self, name: &str) -> Result<Option<Dynamic>, Box<EvalAltResult>> {
        Ok(Some(match name {
            "user" => Dynamic::from(User(Rc::clone(require("user")?.user()))),
            "env" => Dynamic::from(self.env.clone()),
            "common" => self.common.borrow().clone(),
            "data" => require("data").map(|_| Dynamic::from(self.data.borrow().clone()))?,
            "cue" => match require("cue")?.cue() {
                Some(cue) => cue_map(cue),
                None => return Err("cue is only there in the functions of cues".into()),
            },
            _ => return Ok(self.constants.borrow().get(name).cloned()),
        }))
    }
}

fn cue_map(cue: &crate::call::CueState) -> Dynamic {
    let mut map = Map::new();
    map.insert("name".into(), cue.name.clone().into());
    map.insert("number".into(), i64::from(cue.number).into());
    map.insert("id".into(), cue.id.clone().into());
    Dynamic::from_map(map).into_read_only()
}
