//! The client of the commands, against the server of the same crate and against strangers.

use std::time::Duration;

use rehearsal_api::{Client, ClientError, Command, Refusal, Token};
use rehearsal_plan::Scale;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::fake::{RUN, TOKEN, World};

fn client(world: &World) -> Client {
    Client { address: world.server.address(), token: Token::new(TOKEN) }
}

#[tokio::test]
async fn every_command_arrives_as_it_was_given() {
    let world = World::start();
    for command in [
        Command::Stop { now: false },
        Command::Stop { now: true },
        Command::Pause,
        Command::Resume,
        Command::Scale { to: Scale::Factor(0.1), scenario: None, over: None },
        Command::Scale { to: Scale::Users(7), scenario: Some("a b".into()), over: Some(Duration::from_millis(1500)) },
        Command::Cue { name: "open the/vote?".into() },
    ] {
        let answer = client(&world).command(RUN, "anna", &command).await.unwrap();
        assert_eq!((answer.by.as_str(), answer.version), ("anna", Some(2)));
        assert_eq!(world.desk.commands.lock().unwrap().pop(), Some(("anna".to_owned(), command)));
    }
}

#[tokio::test]
async fn a_name_that_no_header_can_carry_is_shortened() {
    let world = World::start();
    for (name, by) in [("Jörg\n", "Jrg"), ("", "api"), ("日本", "api")] {
        assert_eq!(client(&world).command(RUN, name, &Command::Pause).await.unwrap().by, by);
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_asked_and_why_not() {
    let world = World::start();
    *world.desk.refusal.lock().unwrap() = Some(Refusal::Conflict("it is stopping already".into()));
    let error = client(&world).command(RUN, "anna", &Command::Stop { now: true }).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the coordinator refuses to stop run {RUN} at once: it is stopping already"));
    assert!(matches!(error, ClientError::Refused { status: 409, .. }));
    let stranger = Client { token: Token::new("wrong"), ..client(&world) };
    let error = stranger.command(RUN, "anna", &Command::Pause).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused { status: 401, .. }), "{error}");
}

#[tokio::test]
async fn a_coordinator_that_is_gone_is_told_from_one_that_is_silent() {
    let world = World::start();
    let client = client(&world);
    world.server.stop().await;
    let error = client.command(RUN, "anna", &Command::Pause).await.unwrap_err();
    assert!(matches!(error, ClientError::NobodyThere { .. }), "{error}");
    assert!(
        error.to_string().contains(&format!("pause run {RUN} failed"))
            && error.to_string().contains("coordinator report"),
        "{error}"
    );

    // Hangs up without an answer: the command may have been carried out.
    let error = answered_with("").await;
    assert!(matches!(error, ClientError::NoAnswer { .. }), "{error}");
    let error = answered_with("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    assert!(matches!(error, ClientError::Stranger { status: 200, .. }), "{error}");
    let error = answered_with("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, ClientError::Stranger { status: 502, .. }), "{error}");
}

/// What the client makes of a server that answers with a text.
async fn answered_with(answer: &'static str) -> ClientError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client { address: listener.local_addr().unwrap(), token: Token::new(TOKEN) };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let (told, ()) = tokio::join!(client.command(RUN, "anna", &Command::Pause), server);
    told.unwrap_err()
}
