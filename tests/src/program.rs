//! Finds the coordinator's program beside that of the test or tool, and builds it when it is missing or older
//! than its sources: cargo knows no dependency of a test on another package's binary.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Returns the path of an up-to-date coordinator.
pub fn coordinator() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("a running program has a path");
        let folder = profile_folder(&test);
        ensure_built(folder);
        folder.join(format!("coordinator{}", env::consts::EXE_SUFFIX))
    })
}

/// Finds the folder of all programs: a test lies at `target/<profile>/deps/<test>`, a tool at `target/<profile>/<tool>`.
fn profile_folder(program: &Path) -> &Path {
    let folder = program.parent().expect("a program lies in a folder");
    folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder)
}

/// Returns the top of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}

/// Builds at most once, whatever number of test processes come here: the file is their lock, and
/// its date that of the last build.
fn ensure_built(folder: &Path) {
    let built = folder.join("end-to-end.built");
    let lock = File::options().create(true).append(true).open(&built).expect("opening the lock of the build");
    lock.lock().expect("waiting for another test's build");
    let since = modified(&folder.join("coordinator")).min(modified(&built));
    if newest_source() <= since {
        return;
    }
    let begun = SystemTime::now();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    // All programs, and a test: cargo then takes the libraries as `cargo nextest run --workspace` has built them. For the
    // coordinator alone it would build nearly all of them once more, with fewer features.
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins", "--test", "language"])
        .args(["--profile", profile])
        .current_dir(workspace())
        .status()
        .expect("starting cargo");
    assert!(status.success(), "the coordinator does not build");
    lock.set_modified(begun).expect("dating the build");
    // Cargo leaves a program alone that would be the same: its date must not ask for more.
    File::options()
        .append(true)
        .open(folder.join("coordinator"))
        .and_then(|program| program.set_modified(begun))
        .expect("dating the program");
}

fn newest_source() -> SystemTime {
    let folders = ["agent", "coordinator", "crates", "proto"];
    let newest = folders.iter().map(|folder| newest_in(&workspace().join(folder)));
    newest.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Returns the date of the newest file that a program is made of, tests left out.
fn newest_in(folder: &Path) -> SystemTime {
    let Ok(entries) = fs::read_dir(folder) else {
        return SystemTime::UNIX_EPOCH;
    };
    let dates = entries.flatten().map(|entry| {
        let path = entry.path();
        match entry.file_type() {
            // What a bundler makes, and what it is made of, is not ours.
            Ok(kind) if kind.is_dir() && ["tests", "node_modules", "dist"].iter().any(|name| path.ends_with(name)) => {
                SystemTime::UNIX_EPOCH
            }
            Ok(kind) if kind.is_dir() => newest_in(&path),
            _ => modified(&path),
        }
    });
    dates.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Returns when a file was written, and the beginning of time for one that is not there.
fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
