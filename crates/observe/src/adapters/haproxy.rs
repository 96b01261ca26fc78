//! HAProxy: which servers of a backend are up, down, draining or in maintenance, from its statistics as CSV.
//!
//! The CSV is read by the names in its header, since columns differ between versions. A server in maintenance is no
//! instance: the free slots of a `server-template` look like that. The row `BACKEND` closes its backend, so
//! an answer without it was cut off and would miss servers.
//!
//! HAProxy calls a server UP from the moment that it is let in, before any check has reached it. Such a server is ready
//! only once a check has passed.

use std::collections::BTreeSet;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use rehearsal_plan::Problem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::tells;
use crate::json::{number, quoted};
use crate::observation::{ErrorKind, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::settings::{self, Settings};
use crate::web::{LONGEST_ANSWER, Web};

/// The row that sums up a backend.
const TOTAL: &str = "BACKEND";

struct HaProxy {
    reach: Reach,
    backend: String,
    tells: Tells,
    /// The servers that passed a check since they were let in; none before the first reading.
    proven: Option<BTreeSet<String>>,
}

enum Reach {
    Page(Box<Web>),
    /// The path of the statistics socket, or its host and port.
    Socket(String),
}

enum Tells {
    Supply,
    Cell { server: String, column: String },
}

/// Takes `url`, the statistics page as CSV, with the keys of [`Web`], or `socket`; `backend`; for a metric `column` and `server`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Supply, Role::Metric]) {
        return None;
    }
    let reach = match (settings.has("url"), settings.has("socket")) {
        (true, false) => {
            let url = settings.take("url", settings::url);
            Web::from_settings(settings, url).map(|web| Reach::Page(Box::new(web)))
        }
        (false, true) => settings.take("socket", settings::text).map(Reach::Socket),
        _ => {
            let _ = (settings.take("url", settings::url), settings.take("socket", settings::text));
            settings.complain(Problem::new("has not exactly one of the keys `url` and `socket`"));
            None
        }
    };
    let backend = settings.require("backend", settings::text);
    let tells = match role {
        Role::Supply => Some(Tells::Supply),
        _ => {
            let server = settings.take("server", settings::text).unwrap_or_else(|| TOTAL.into());
            settings.require("column", settings::text).map(|column| Tells::Cell { server, column })
        }
    };
    Some(Box::new(HaProxy { reach: reach?, backend: backend?, tells: tells?, proven: None }))
}

impl Observer for HaProxy {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let text = match &self.reach {
                Reach::Page(web) => web.get(web.base()).await?.body.to_vec(),
                Reach::Socket(address) if address.contains('/') => {
                    ask(UnixStream::connect(address).await.map_err(lost)?).await?
                }
                Reach::Socket(address) => ask(TcpStream::connect(address).await.map_err(lost)?).await?,
            };
            let rows = rows(&text, &self.backend)?;
            match &self.tells {
                Tells::Supply => Ok(Reading::Supply(supply(&rows, &mut self.proven)?).into()),
                Tells::Cell { server, column } => Ok(Reading::Metric(cell(&rows, server, column)?).into()),
            }
        })
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::Error(ErrorKind::Connection, error.to_string())
}

/// Asks on the statistics socket, which answers one line and closes.
async fn ask(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> Result<Vec<u8>, Failure> {
    socket.write_all(b"show stat\n").await.map_err(lost)?;
    let mut found = Vec::new();
    socket.take(LONGEST_ANSWER as u64 + 1).read_to_end(&mut found).await.map_err(lost)?;
    match found.len() > LONGEST_ANSWER {
        true => Err(Failure::Error(ErrorKind::TooLarge, format!("the answer is longer than {LONGEST_ANSWER} bytes"))),
        false => Ok(found),
    }
}

/// One row of the table.
#[derive(Debug)]
struct Row<'a> {
    server: String,
    cells: Vec<(&'a str, String)>,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        self.cells.iter().find(|(name, _)| *name == column).map(|(_, cell)| cell.as_str())
    }
}

/// Parses the table and keeps the rows of one backend.
fn rows<'a>(text: &'a [u8], backend: &str) -> Result<Vec<Row<'a>>, Failure> {
    let text = std::str::from_utf8(text).map_err(|_| Failure::format("the statistics are not UTF-8"))?;
    let (header, body) = text.split_once('\n').unwrap_or((text, ""));
    let Some(header) = header.strip_prefix("# pxname,svname,") else {
        return Err(Failure::format(format!("these are no statistics of HAProxy: {}", quoted(header))));
    };
    let columns: Vec<&str> = header.trim_end().split(',').collect();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body.as_bytes());
    let mut found = Vec::new();
    let mut others = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| Failure::format(format!("the statistics are no CSV: {error}")))?;
        let (name, server) = (record.get(0).unwrap_or_default(), record.get(1).unwrap_or_default());
        if name != backend {
            others.push(name.to_string());
            continue;
        }
        let cells = columns.iter().copied().zip(record.iter().skip(2).map(String::from)).collect();
        found.push(Row { server: server.into(), cells });
    }
    if found.is_empty() {
        others.dedup();
        let known = quoted(&others.join(", "));
        return Err(Failure::format(format!("there is no backend {}; there are {known}", quoted(backend))));
    }
    match found.iter().any(|row| row.server == TOTAL) {
        true => Ok(found),
        false => Err(Failure::format("the statistics are cut off")),
    }
}

/// Counts the servers by their state. Running are all but those in maintenance, whether they pass their checks or not.
fn supply(rows: &[Row<'_>], proven: &mut Option<BTreeSet<String>>) -> Result<Supply, Failure> {
    let (mut running, mut ready, mut draining) = (0, 0, 0);
    let mut up = BTreeSet::new();
    for row in rows.iter().filter(|row| row.server != TOTAL && row.server != "FRONTEND") {
        let status = row.cell("status").ok_or_else(|| Failure::format("the statistics have no column `status`"))?;
        // `UP 1/3` is a server that is going down, `DOWN (agent)` says who found it so.
        let (is_ready, is_draining) = match status.split(' ').next().unwrap_or_default() {
            "MAINT" => continue,
            "UP" => (is_proven(proven.as_ref(), row), false),
            // `no check`: HAProxy sends work there and knows no more.
            "no" => (true, false),
            "DRAIN" | "NOLB" => (false, true),
            "DOWN" => (false, false),
            _ => return Err(Failure::format(format!("unknown status of a server: {}", quoted(status)))),
        };
        running += 1;
        ready += u64::from(is_ready);
        draining += u64::from(is_draining);
        up.extend(is_ready.then(|| row.server.clone()));
    }
    *proven = Some(up);
    Ok(Supply { running: Some(running), ready: Some(ready), draining: Some(draining), ..Supply::default() })
}

/// Whether a server that is UP answers. Of one that was UP before anybody looked a single failed check says nothing.
fn is_proven(proven: Option<&BTreeSet<String>>, row: &Row<'_>) -> bool {
    let is_known = match proven {
        Some(proven) => proven.contains(&row.server),
        None => row.cell("check_status").is_some_and(|last| last != "INI"),
    };
    is_known || has_passed(row)
}

/// Whether a check has passed since a server that is UP was let in. One that comes back from maintenance still shows how
/// its last check before that ended; but it is in full health, `UP` and not `UP 1/2`, only after another one. Where the
/// column says nothing, as with agent checks alone, the status has to be believed.
fn has_passed(row: &Row<'_>) -> bool {
    let is_whole = row.cell("status") == Some("UP");
    let last = row.cell("check_status").unwrap_or_default();
    let last = last.strip_prefix("* ").unwrap_or(last); // the next check is on its way
    last.is_empty() || (is_whole && matches!(last, "L4OK" | "L6OK" | "L7OK" | "L7OKC" | "PROCOK"))
}

fn cell(rows: &[Row<'_>], server: &str, column: &str) -> Result<f64, Failure> {
    let row = rows.iter().find(|row| row.server == server);
    let row = row.ok_or_else(|| Failure::missing(format!("there is no server {}", quoted(server))))?;
    let cell = row.cell(column).ok_or_else(|| Failure::format(format!("there is no column {}", quoted(column))))?;
    number(&cell.into())?.ok_or_else(|| Failure::missing(format!("{} is empty", quoted(column))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# pxname,svname,qcur,scur,status,act,desc,\n";

    fn read(body: &str) -> Result<Supply, String> {
        let text = format!("{HEADER}{body}");
        let rows = rows(text.as_bytes(), "web");
        rows.and_then(|rows| supply(&rows, &mut None)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn servers_count_by_their_state() {
        let states = [
            ("UP", [1, 1, 0]),
            ("UP 1/3", [1, 1, 0]),
            ("no check", [1, 1, 0]),
            ("DOWN", [1, 0, 0]),
            ("DOWN 1/2", [1, 0, 0]),
            ("DOWN (agent)", [1, 0, 0]),
            ("DRAIN", [1, 0, 1]),
            ("NOLB 1/3", [1, 0, 1]),
            ("MAINT", [0, 0, 0]),
            ("MAINT (via web/a)", [0, 0, 0]),
            ("MAINT (resolution)", [0, 0, 0]),
        ];
        for (status, [running, ready, draining]) in states {
            let body =
                format!("other,s1,,,UP,1,,\nweb,s1,0,0,{status},1,\"a \"\"b\"\", c\",\nweb,BACKEND,0,0,UP,1,,\n");
            let expected =
                Supply { running: Some(running), ready: Some(ready), draining: Some(draining), ..Supply::default() };
            assert_eq!(read(&body), Ok(expected), "{status}");
        }
    }

    #[test]
    fn a_server_is_ready_once_a_check_has_passed() {
        let mut proven = None;
        let mut ready = |status: &str, check: &str| {
            let text = format!("# pxname,svname,status,check_status,\nweb,s1,{status},{check},\nweb,BACKEND,UP,,\n");
            supply(&rows(text.as_bytes(), "web").unwrap(), &mut proven).unwrap().ready.unwrap()
        };
        assert_eq!(ready("UP 1/2", "INI"), 0, "let in, and not checked yet");
        assert_eq!(ready("UP", "L7OK"), 1);
        assert_eq!(ready("UP", "* L7OK"), 1);
        assert_eq!(ready("UP 1/2", "L7STS"), 1, "one failed check takes nothing away while HAProxy sends work there");
        assert_eq!(ready("DOWN", "L4CON"), 0);
        assert_eq!(ready("MAINT", ""), 0);
        assert_eq!(ready("UP 1/2", "L4CON"), 0, "let in again, with how its last check ended");
        assert_eq!(ready("UP 1/2", "L4OK"), 0, "from its life before");
        assert_eq!(ready("UP", "L4OK"), 1);
        assert_eq!(ready("UP", ""), 1, "nobody checks it");
    }

    #[test]
    fn what_was_up_before_anybody_looked_is_ready_unless_it_was_never_checked() {
        let ready = |status: &str, check: &str| {
            let text = format!("# pxname,svname,status,check_status,\nweb,s1,{status},{check},\nweb,BACKEND,UP,,\n");
            supply(&rows(text.as_bytes(), "web").unwrap(), &mut None).unwrap().ready.unwrap()
        };
        assert_eq!(ready("UP 1/2", "L7TOUT"), 1);
        assert_eq!(ready("UP 1/2", "INI"), 0);
    }

    #[test]
    fn what_cannot_be_counted_is_no_count() {
        let check = |body: &str, expected: &str| assert_eq!(read(body), Err(expected.into()));
        check("web,s1,0,0,UP,1,,\n", "format: the statistics are cut off");
        check("other,s1,0,0,UP,1,,\n", "format: there is no backend `web`; there are `other`");
        check("web,s1,0,0,SLEEPY,1,,\nweb,BACKEND,0,0,UP,1,,\n", "format: unknown status of a server: `SLEEPY`");
        check("web,s1\nweb,BACKEND\n", "format: the statistics have no column `status`");
        let failure = rows(b"<html>", "web").unwrap_err().to_string();
        assert_eq!(failure, "format: these are no statistics of HAProxy: `<html>`");
    }

    #[test]
    fn a_cell_is_a_number_or_missing() {
        let text = format!("{HEADER}web,s1,,7,UP,1,,\nweb,BACKEND,,9,UP,1,,\n");
        let rows = rows(text.as_bytes(), "web").unwrap();
        let read = |server, column| cell(&rows, server, column).map_err(|failure| failure.to_string());
        assert_eq!(read("BACKEND", "scur"), Ok(9.0));
        assert_eq!(read("s1", "scur"), Ok(7.0));
        assert_eq!(read("s1", "qcur"), Err("missing: `qcur` is empty".into()));
        assert_eq!(read("s9", "scur"), Err("missing: there is no server `s9`".into()));
        assert_eq!(read("s1", "scurr"), Err("format: there is no column `scurr`".into()));
        assert_eq!(read("s1", "status"), Err("format: not a number: `\"UP\"`".into()));
    }
}
