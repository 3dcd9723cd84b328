//! Measures durable submissions a second at a relay: `relay_load ADDRESS [CONNECTIONS] [SECONDS]`.
//! The relay must run with `--device-rate 0`. Requests are signed before the clock starts, so
//! that the figure is the relay's and not this program's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::format_push_string,
    missing_docs
)]

#[path = "../tests/relay_person/mod.rs"]
mod relay_person;

use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_person::{Person, submission};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use waxwing_relay::clock::{Clock, SystemClock};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .expect("an address")
        .parse()
        .expect("an address");
    let mut number = |otherwise: u64| {
        arguments
            .next()
            .map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (connections, seconds) = (number(64), number(5));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut people = Vec::new();
    for _ in 0..connections {
        let person = Person::new(address, clock.clone());
        person.put_first_card().await;
        people.push(person);
    }
    let each = usize::try_from(12_000 * seconds / connections).unwrap();
    let mut signers = JoinSet::new();
    for person in people {
        let now = clock.now();
        signers
            .spawn_blocking(move || (0..each).map(|_| request(&person, now)).collect::<Vec<_>>());
    }
    let requests = signers.join_all().await;
    let size = requests[0][0].1;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut senders = JoinSet::new();
    for requests in requests {
        senders.spawn(async move {
            let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (mut times, mut buffer) = (Vec::new(), vec![0; 4096]);
            for (request, _) in &requests {
                let sent = Instant::now();
                if sent > until {
                    break;
                }
                socket.write_all(request).await.unwrap();
                let mut got = 0;
                while !complete(&buffer[..got]) {
                    let read = socket.read(&mut buffer[got..]).await.unwrap();
                    assert!(read > 0, "the relay closed the connection");
                    got += read;
                }
                assert!(
                    buffer.starts_with(b"HTTP/1.1 201"),
                    "{}",
                    String::from_utf8_lossy(&buffer[..got])
                );
                times.push(sent.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = senders.join_all().await.into_iter().flatten().collect();
    let elapsed = begun.elapsed();
    times.sort();
    let at = |part: usize| times[times.len() * part / 1000];
    println!(
        "{} submissions of {size} bytes over {connections} connections in {elapsed:.2?}: {:.0}/s, p50 {:.2?}, p99 {:.2?}",
        times.len(),
        times.len() as f64 / elapsed.as_secs_f64(),
        at(500),
        at(990),
    );
}

/// One signed submission to the person's own mailbox, as it goes over the wire.
fn request(person: &Person, now: u64) -> (Vec<u8>, usize) {
    let body = submission(&[person.mailbox], 900, now + 3600).encode();
    let size = body.len();
    let call = person
        .call(reqwest::Method::POST, "/v1/envelopes")
        .body("application/cbor", body.clone());
    let mut raw = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\n",
        call.path, person.address
    );
    for (name, value) in &person.signed(&call) {
        raw += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    raw += &format!("content-type: application/cbor\r\ncontent-length: {size}\r\n\r\n");
    let mut raw = raw.into_bytes();
    raw.extend(body);
    (raw, size)
}

fn complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(&answer[..end])
        .unwrap()
        .to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let length: usize = length.unwrap().trim().parse().unwrap();
    answer.len() >= end + 4 + length
}
