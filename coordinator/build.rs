//! Bundles the dashboard and the report page with npm and writes `web.rs`, which embeds them.
//!
//! A machine without Node still builds: the binary then has no pages and says so (`web/fallback.html`).
//! `REHEARSAL_WEB=off` leaves them out on purpose.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the bundler reads; anything else in the folder does not matter.
const INPUTS: [&str; 7] =
    ["package.json", "package-lock.json", "tsconfig.json", "build.mjs", "pages", "src", "fallback.html"];
const SWITCH: &str = "REHEARSAL_WEB";

fn main() {
    let web = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("web");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-env-changed={SWITCH}");
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", web.join(input).display());
    }
    let missing = match bundle(&web) {
        Ok(()) => None,
        Err(why) => {
            println!("cargo::warning=the dashboard is left out: {why}");
            Some(why)
        }
    };
    let code = match &missing {
        None => embedded(&web.join("dist"), &out),
        Some(_) => embedded_fallback(&web),
    };
    fs::write(out.join("web.rs"), code).expect("writing into OUT_DIR");
}

/// Runs npm; the error is for people.
fn bundle(web: &Path) -> Result<(), String> {
    if env::var_os(SWITCH).is_some_and(|value| value == "off") {
        return Err(format!("{SWITCH} is off"));
    }
    if !is_newer(&web.join("node_modules/.package-lock.json"), &web.join("package-lock.json")) {
        npm(web, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    }
    npm(web, &["run", "build"])
}

fn npm(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(arguments).current_dir(web).output();
    let output = output.map_err(|error| format!("npm could not be run ({error}); install Node 20 or newer"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let last = last.iter().rev().take(5).rev().copied().collect::<Vec<_>>().join(" | ");
    Err(format!("`npm {}` failed: {last}", arguments.join(" ")))
}

fn is_newer(made: &Path, from: &Path) -> bool {
    let date = |path: &Path| fs::metadata(path).and_then(|known| known.modified()).ok();
    date(made).zip(date(from)).is_some_and(|(made, from)| made >= from)
}

/// Copies the bundle, so that a later build of another profile cannot change it under the compiler.
fn embedded(dist: &Path, out: &Path) -> String {
    let mut assets = String::new();
    for (file, path, kind) in [
        ("index.html", "/", "text/html; charset=utf-8"),
        ("app.js", "/assets/app.js", "text/javascript; charset=utf-8"),
        ("app.css", "/assets/app.css", "text/css; charset=utf-8"),
    ] {
        fs::copy(dist.join(file), out.join(file)).unwrap_or_else(|error| panic!("copying {file}: {error}"));
        writeln!(
            assets,
            "    Asset {{ path: {path:?}, content_type: {kind:?}, body: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")) }},"
        )
        .expect("writing to a text cannot fail");
    }
    fs::copy(dist.join("report.html"), out.join("report.html"))
        .unwrap_or_else(|error| panic!("copying the report page: {error}"));
    format!(
        "pub const ASSETS: &[Asset] = &[\n{assets}];\n\
         pub const REPORT_PAGE: Option<&str> = Some(include_str!(concat!(env!(\"OUT_DIR\"), \"/report.html\")));\n"
    )
}

fn embedded_fallback(web: &Path) -> String {
    let page = web.join("fallback.html");
    format!(
        "pub const ASSETS: &[Asset] = &[Asset {{ path: \"/\", content_type: \"text/html; charset=utf-8\", \
         body: include_bytes!({page:?}) }}];\n\
         pub const REPORT_PAGE: Option<&str> = None;\n"
    )
}
