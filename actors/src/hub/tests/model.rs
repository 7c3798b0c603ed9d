//! Hubs against a naive model of who sees what, with sockets that take what chance lets them.

use super::*;

/// What a test does to one session and to the promotions around it.
#[derive(Clone, Debug)]
enum Step {
    Offer(u128, u32),
    Stock(u128),
    Gone(u128, bool),
    Move(f64),
    Resubscribe(f64),
    Room(usize),
    /// What lags in the inbox is taken in, together.
    TakeIn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1u128..5;
    let place = || 0.0..3_000f64;
    proptest::collection::vec(
        prop_oneof![
            (id.clone(), 500u32..2_500).prop_map(|(id, reach_m)| Step::Offer(id, reach_m)),
            id.clone().prop_map(Step::Stock),
            (id, any::<bool>()).prop_map(|(id, last)| Step::Gone(id, last)),
            place().prop_map(Step::Move),
            place().prop_map(Step::Resubscribe),
            prop_oneof![Just(0usize), 1usize..60, Just(usize::MAX)].prop_map(Step::Room),
            Just(Step::TakeIn),
        ],
        1..60,
    )
}

/// The naive model: every live promotion's version and reach, and what the rules say is shown.
#[derive(Default)]
struct Model {
    live: BTreeMap<u128, (u64, u32)>,
    shown: BTreeSet<u128>,
    at: f64,
}

impl Model {
    fn settle(&mut self, fresh: bool) {
        let radius = |reach_m: u32| f64::from(reach_m).min(2_000.0);
        let before = if fresh { BTreeSet::new() } else { std::mem::take(&mut self.shown) };
        self.shown = self
            .live
            .iter()
            .filter(|(id, (_, reach_m))| {
                let r = radius(*reach_m);
                self.at <= if before.contains(id) { leave_radius_m(r) } else { r }
            })
            .map(|(id, _)| *id)
            .collect();
    }
}

/// Puts an update into the inbox; what lags there of the same promotion is taken in before, so that none is left out.
fn lag(scene: &mut Scene, lagging: &mut BTreeSet<u128>, id: u128, update: Update) {
    if !lagging.insert(id) {
        scene.shard.take_in();
        lagging.clear();
        lagging.insert(id);
    }
    scene.inbox.publish(&Arc::new(super::super::wire::Published::new(update, &Lines)));
}

/// What the client has understood from what came.
fn read(lines: &[String], board: &mut BTreeMap<u128, u64>, newest: &mut BTreeMap<u128, u64>) {
    for line in lines {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (id, v) = rest.split(' ').next().unwrap().split_once(':').unwrap();
        let (id, v): (u128, u64) = (id.parse().unwrap(), v.parse().unwrap());
        let last = newest.entry(id).or_default();
        assert!(v >= *last, "I26: {line} after version {last}");
        *last = v;
        match kind {
            "offer" => {
                board.insert(id, v);
            }
            "stock" => {
                assert!(board.insert(id, v).is_some(), "stock of what is not shown: {line}");
            }
            "gone" => assert!(board.remove(&id).is_some(), "gone without being shown: {line}"),
            _ => panic!("{line}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// I25 and I26: whatever happens, however the socket takes its bytes, in the end the client sees exactly what is in
    /// reach, each in its latest version; versions never fall; `gone` only for what was shown.
    #[test]
    fn i25_i26_the_client_sees_what_is_in_reach_whatever_the_socket_takes(steps in steps()) {
        let mut scene = Scene::new();
        let (slot, socket, _) = scene.nearby(0.0, 2_000.0);
        let mut model = Model::default();
        let (mut board, mut newest) = (BTreeMap::new(), BTreeMap::new());
        let mut v = 0u64;
        let mut lagging = BTreeSet::new();
        for step in steps {
            match step {
                Step::Offer(id, reach_m) => {
                    v += 1;
                    model.live.insert(id, (v, reach_m));
                    lag(&mut scene, &mut lagging, id, offer_of(record(id, v, Status::Live, reach_m)));
                    model.settle(false);
                }
                Step::Stock(id) => {
                    v += 1;
                    if let Some((version, _)) = model.live.get_mut(&id) {
                        *version = v;
                        lag(&mut scene, &mut lagging, id, stock(id, v, 5));
                    }
                }
                Step::Gone(id, last) => {
                    v += 1;
                    if model.live.remove(&id).is_some() {
                        let reason = if last { GoneReason::Ended } else { GoneReason::Paused };
                        lag(&mut scene, &mut lagging, id, gone(id, v, reason));
                    }
                    model.settle(false);
                }
                Step::Move(to) => {
                    model.at = to;
                    model.settle(false);
                    scene.shard.relocate(slot, moved(to));
                }
                Step::Resubscribe(to) => {
                    // A client asks again only on a socket that works, and forgets what it had.
                    scene.shard.take_in();
                    socket.room(usize::MAX);
                    while scene.shard.attention(slot).waiting {
                        scene.shard.flush(slot);
                    }
                    read(&socket.lines(), &mut board, &mut newest);
                    board.clear();
                    model.at = to;
                    model.settle(true);
                    let snapshot = scene.shard.subscribe(slot, seat(to, 2_000.0), &Known::new());
                    for offer in snapshot.offers {
                        read(&[format!("offer {}", String::from_utf8_lossy(&offer))], &mut board, &mut newest);
                    }
                }
                Step::Room(bytes) => {
                    socket.room(bytes);
                    scene.shard.flush(slot);
                }
                Step::TakeIn => scene.shard.take_in(),
            }
            read(&socket.lines(), &mut board, &mut newest);
        }
        scene.shard.take_in();
        socket.room(usize::MAX);
        while scene.shard.attention(slot).waiting {
            scene.shard.flush(slot);
        }
        read(&socket.lines(), &mut board, &mut newest);
        let expected: BTreeMap<u128, u64> = model.shown.iter().map(|id| (*id, model.live[id].0)).collect();
        prop_assert_eq!(board, expected);
    }
}
