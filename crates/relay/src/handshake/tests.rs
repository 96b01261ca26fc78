//! Who knows the secret comes in, and nobody else, whatever he overheard.

use tokio::io::duplex;

use super::*;

/// Both ends in memory; gives what each came to.
async fn meet(
    relays: &Secret,
    coordinators: &Secret,
) -> (Result<Session, HandshakeError>, Result<(Stage, Session), HandshakeError>) {
    let (mut here, mut there) = duplex(1_024);
    // Each end hangs up when it is done, as it does in life.
    let relay = async move { admit(&mut here, relays).await };
    let coordinator = async move { introduce(&mut there, coordinators).await };
    tokio::join!(relay, coordinator)
}

#[tokio::test]
async fn ends_with_the_same_secret_have_a_key_in_common() {
    let secret = Secret::random();
    let (relay, coordinator) = meet(&secret, &secret).await;
    let (relay, (stage, coordinator)) = (relay.unwrap(), coordinator.unwrap());
    assert_eq!(stage, Stage::Relay);
    assert!(coordinator.accepts(b"header", &relay.tag(b"header")));
    assert!(!coordinator.accepts(b"Header", &relay.tag(b"header")));
    let (other, _) = meet(&secret, &secret).await;
    assert!(!coordinator.accepts(b"header", &other.unwrap().tag(b"header")), "each connection has its own");
}

#[tokio::test]
async fn ends_with_different_secrets_part() {
    let (relay, coordinator) = meet(&Secret::random(), &Secret::random()).await;
    assert!(matches!(relay, Err(HandshakeError::Unproven)));
    assert!(matches!(coordinator, Err(HandshakeError::Broken(_))), "the relay answers nothing that helps to guess");
}

#[tokio::test]
async fn what_was_overheard_is_of_no_use() {
    let secret = Secret::random();
    // A real coordinator answers the nonce that it is shown …
    let (mut here, mut there) = duplex(1_024);
    let shown = [RELAYS.as_slice(), &[7; NONCE]].concat();
    let overheard = async {
        here.write_all(&shown).await.unwrap();
        let mut answer = [0; NONCE + PROOF];
        here.read_exact(&mut answer).await.unwrap();
        // … and somebody who only sends it its own words back does not pass for the relay.
        here.write_all(&answer[NONCE..]).await.unwrap();
        answer
    };
    let (answer, reflected) = tokio::join!(overheard, introduce(&mut there, &secret));
    assert!(matches!(reflected, Err(HandshakeError::Unproven)));
    // The same answer, to the relay that asks something else.
    let (mut here, mut there) = duplex(1_024);
    there.write_all(&answer).await.unwrap();
    assert!(matches!(admit(&mut here, &secret).await, Err(HandshakeError::Unproven)));
}

#[tokio::test]
async fn what_is_no_relay_is_told_from_one() {
    let (mut here, mut there) = duplex(1_024);
    here.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert!(matches!(introduce(&mut there, &Secret::random()).await, Err(HandshakeError::Foreign)));
}
