//! An answer of ECS, from its status line to the end of the connection, as the client meets it on a socket.

#![no_main]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::base::{Family, RegionId};
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::{Choice, Endpoint};
use aliyun_eni_ipam::inside::cloud::{Client, Settings, Want};
use aliyun_eni_ipam::inside::cloud::{Error, ErrorKind};
use harness::{RawAnswer, RawServer, Then, World};
use libfuzzer_sys::fuzz_target;

struct Line {
    client: Client,
    answer: Arc<Mutex<Vec<u8>>>,
    _server: RawServer,
}

thread_local! {
    static LINE: Line = Line::open();
}

impl Line {
    fn open() -> Self {
        let answer = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::clone(&answer);
        let bytes = move || next.lock().expect("nobody panics with it").clone();
        let server = RawServer::start(move |_| RawAnswer { bytes: bytes(), then: Then::Close });
        let server = server.expect("there is a port to listen on");
        let keys = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET),
        ];
        let client = Client::new(Settings {
            endpoint: Choice::At(Endpoint::parse(&server.url(), false).expect("it is a URL")),
            credentials: Source::Environment,
            environment: keys.into_iter().collect(),
            ..Settings::default()
        });
        Self { client, answer, _server: server }
    }
}

// The first byte chooses what is asked for, the rest is the answer.
fuzz_target!(|input: &[u8]| LINE.with(|line| ask(line, input)));

fn ask(line: &Line, input: &[u8]) {
    let Some((question, answer)) = input.split_first() else { return };
    answer.clone_into(&mut line.answer.lock().expect("nobody panics with it"));
    let region = RegionId::try_from(World::REGION_ID.to_owned()).expect("it is one");
    let eni = EniId::try_from(World::SECONDARY_ENI.to_owned()).expect("it is one");
    let deadline = Deadline::after(Duration::from_secs(5));
    let client = &line.client;
    match question % 3 {
        0 => check(answer, client.unassign(&region, &eni, &[[192, 168, 0, 77].into()], deadline)),
        1 => check(answer, client.assign(&region, &eni, Family::V4, &Want::Count(1), "token", deadline)),
        _ => check(answer, client.describe(&region, &eni, deadline)),
    }
}

/// Nothing is done without a RequestId, and what was sent is never taken for not sent.
fn check<T>(answer: &[u8], result: Result<T, Error>) {
    match result {
        Ok(_) => assert!(says(answer, "request") || says(answer, "\\u") || says(answer, "NotFound")),
        Err(error) => {
            let text = error.to_string().to_lowercase();
            assert!(error.kind != ErrorKind::NotSent, "{text}");
            assert!(!text.contains("not found") && !text.contains("no such file or directory"), "{text}");
        }
    }
}

fn says(answer: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(answer).to_lowercase().contains(&word.to_lowercase())
}
