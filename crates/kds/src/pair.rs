//! A sender and a receiver against each other: whatever happens between them, they end alike.

use std::{collections::VecDeque, sync::Arc};

use portolan_model::{ResourceKey, labels};
use portolan_proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use portolan_store::Store;
use proptest::prelude::*;

use crate::{
    encode::Encoder,
    fixtures::{
        ask, delete, forgetful, kuma, mesh, portolan, put, route, snapshot, store, to_zone,
    },
    names::Side,
    receiver::{From, Receiver},
    sender::{Overtaken, Sender},
};

/// Deletions that the global remembers: few, so that zones fall behind.
const REMEMBERED: usize = 6;
/// Resources of a page.
const PAGE: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    /// The global's changes go out, as far as they may.
    Send,
    /// The zone writes one response and queues its answer.
    Receive,
    /// The global hears one request.
    Hear,
    /// Everything under way is lost: responses, and acknowledgements of what is already written.
    Disconnect,
    Connect,
    /// So many deletions that all others are forgotten.
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12u8, 0..3u8).prop_map(|(name, value)| Step::Put(name, value)),
        4 => (0..12u8).prop_map(Step::Delete),
        4 => Just(Step::Send),
        6 => Just(Step::Receive),
        6 => Just(Step::Hear),
        1 => Just(Step::Disconnect),
        2 => Just(Step::Connect),
        1 => Just(Step::Compact),
    ]
}

/// Names of two kinds.
fn key(name: u8) -> ResourceKey {
    let text = format!("n{name}");
    if name.is_multiple_of(3) {
        mesh(&text)
    } else {
        route(&text)
    }
}

/// One connection and what is under way on it.
struct Stream {
    sender: Sender,
    receiver: Receiver,
    requests: VecDeque<DeltaDiscoveryRequest>,
    responses: VecDeque<DeltaDiscoveryResponse>,
}

struct Pair {
    global: Arc<dyn Store>,
    zone: Arc<dyn Store>,
    encoder: Arc<Encoder>,
    is_portolan: bool,
    stream: Option<Stream>,
}

impl Pair {
    fn new(is_portolan: bool) -> Self {
        Self {
            global: forgetful(REMEMBERED),
            zone: store(),
            encoder: Encoder::new(Side::Global),
            is_portolan,
            stream: None,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Put(name, value) => put(&*self.global, key(name), &value.to_string()).await,
            Step::Delete(name) => delete(&*self.global, key(name)).await,
            Step::Compact => self.compact().await,
            Step::Connect => self.connect(),
            Step::Disconnect => self.stream = None,
            Step::Send => drop(self.send()),
            Step::Receive => drop(self.receive().await),
            Step::Hear => drop(self.hear()),
        }
        self.watermark_is_true();
    }

    async fn compact(&self) {
        for number in 0..=REMEMBERED {
            let key = mesh(&format!("short-lived-{number}"));
            put(&*self.global, key.clone(), "0").await;
            delete(&*self.global, key).await;
        }
    }

    fn connect(&mut self) {
        if self.stream.is_some() {
            return;
        }
        let holds = snapshot(&*self.zone).watermark().cloned();
        let node = if self.is_portolan {
            portolan(to_zone(), holds.as_ref())
        } else {
            kuma()
        };
        self.stream = Some(Stream {
            sender: Sender::new("global", Arc::clone(&self.encoder)).with_pages_of(PAGE),
            receiver: Receiver::new(From::Global, "zone-1"),
            requests: to_zone().map(|kind| ask(kind, &node)).collect(),
            responses: VecDeque::new(),
        });
    }

    /// Whether anything was sent.
    fn send(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let snapshot = snapshot(&*self.global);
        let mut sent = false;
        while stream.sender.peer().is_some() {
            match stream.sender.next(&snapshot) {
                Ok(Some(response)) => stream.responses.push_back(response),
                Ok(None) => break,
                Err(Overtaken) => {
                    assert!(
                        !self.is_portolan,
                        "our own take a listing on the same stream"
                    );
                    self.stream = None;
                    self.connect();
                    return true;
                }
            }
            sent = true;
        }
        sent
    }

    async fn receive(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let Some(response) = stream.responses.pop_front() else {
            return false;
        };
        let received = stream.receiver.receive(response, &snapshot(&*self.zone));
        assert_eq!(received.answer.error_detail, None);
        self.zone.commit(received.batch).await.unwrap();
        stream.requests.push_back(received.answer);
        true
    }

    fn hear(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let Some(request) = stream.requests.pop_front() else {
            return false;
        };
        stream.sender.hear(request);
        true
    }

    /// At no moment may a zone claim a revision that it does not hold.
    fn watermark_is_true(&self) {
        let (global, zone) = (snapshot(&*self.global), snapshot(&*self.zone));
        let Some(watermark) = zone.watermark() else {
            return;
        };
        let held = contents(&*self.zone);
        for kind in to_zone() {
            for resource in global.list(kind, None) {
                if resource.revision <= watermark.revision {
                    let content = (resource.key.clone(), resource.labels["value"].clone());
                    assert!(held.contains(&content), "{watermark:?} without {content:?}");
                }
            }
        }
    }

    /// Everything that can happen happens, until nothing is left to do.
    async fn settle(&mut self) {
        self.connect();
        while self.hear() || self.send() || self.receive().await {}
        // The last acknowledgement has been heard; what it means shows at the next look.
        self.send();
    }

    fn ends_alike(&self) {
        assert_eq!(contents(&*self.zone), contents(&*self.global));
        let revision = snapshot(&*self.global).revision();
        let stream = self.stream.as_ref().unwrap();
        assert_eq!(stream.sender.acknowledged(), revision);
        if self.is_portolan && revision > 0 {
            let zone = snapshot(&*self.zone);
            assert_eq!(zone.watermark().unwrap().revision, revision);
        }
    }
}

/// What there is, under the names that its authors gave.
fn contents(store: &dyn Store) -> Vec<(ResourceKey, String)> {
    let snapshot = snapshot(store);
    let mut contents: Vec<_> = to_zone()
        .flat_map(|kind| snapshot.list(kind, None))
        .map(|resource| {
            let display = resource.labels.get(labels::DISPLAY_NAME);
            let key = ResourceKey {
                name: display.map_or_else(|| resource.key.name.clone(), |name| (&**name).into()),
                ..resource.key.clone()
            };
            (key, resource.labels["value"].clone())
        })
        .collect();
    contents.sort();
    contents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_zone_ends_as_its_global(
        is_portolan in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new(is_portolan);
            for step in steps {
                pair.take(step).await;
            }
            pair.settle().await;
            pair.ends_alike();
        });
    }
}
