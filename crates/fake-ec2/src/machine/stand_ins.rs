//! Commands that user data finds before those of this machine, which they would otherwise switch off or reconfigure.
//!
//! Only calls by name are caught, not those by path, such as `/sbin/shutdown`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Tells the fake that a machine is to be switched off. `@POWER@` is the pipe on which it listens.
const POWER: &str = "#!/bin/sh\nprintf '%s %s\\n' \"${0##*/}\" \"$*\" > @POWER@\n";

/// Succeeds without doing anything.
const NOTHING: &str = "#!/bin/sh\nexit 0\n";

/// Starts a program in the background, as a unit of systemd. Of all properties it knows those by which a unit that
/// ends switches its machine off.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
after=
property() {
    case "$1" in
        ExecStopPost=*) after="${1#*=}" ;;
        SuccessAction=poweroff* | FailureAction=poweroff*) after=poweroff ;;
        Environment=*) export "${1#*=}" ;;
    esac
}
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -p | --property) property "$2"; shift 2 ;;
        -p*) property "${1#-p}"; shift ;;
        --property=*) property "${1#*=}"; shift ;;
        -E | --setenv) export "$2"; shift 2 ;;
        --setenv=*) export "${1#*=}"; shift ;;
        -u | --unit | --description | --slice | --uid | --gid | --nice | --working-directory) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
(
    "$@"
    [ -z "$after" ] || sh -c "$after"
) < /dev/null &
"#;

const ALL: [(&str, &str); 6] = [
    ("halt", POWER),
    ("poweroff", POWER),
    ("shutdown", POWER),
    ("sysctl", NOTHING),
    ("systemctl", POWER),
    ("systemd-run", SYSTEMD_RUN),
];

/// Writes all of them into a folder; `more` are shell scripts of the world, which come before ours.
pub(super) fn write(folder: &Path, power: &Path, more: &BTreeMap<String, String>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let quoted = format!("'{}'", power.display().to_string().replace('\'', r"'\''"));
    let ours = ALL.iter().map(|(name, script)| (*name, script.replace("@POWER@", &quoted)));
    let theirs = more.iter().map(|(name, script)| (name.as_str(), with_interpreter(script)));
    let all: BTreeMap<&str, String> = ours.chain(theirs).collect();
    for (name, script) in all {
        let path = folder.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn with_interpreter(script: &str) -> String {
    if script.starts_with("#!") { script.to_owned() } else { format!("#!/bin/sh\n{script}\n") }
}
