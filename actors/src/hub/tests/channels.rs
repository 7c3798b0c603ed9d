//! One socket with both channels, `nearby` and `promotion:{id}`: versions never fall, whoever tells them (I26). Updates
//! lag in the inbox, the socket blocks at will, reads for answers are as old as they may be.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The owner's next state is put into the inbox.
    Live(u128),
    Stock(u128),
    Gone(u128, bool),
    TakeIn,
    /// A subscription to `promotion:{id}`: registered and read now, answered later.
    Follow(u128),
    Answer,
    Unfollow(u128),
    Subscribe,
    Move(bool),
    Room(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 1u128..4;
    proptest::collection::vec(
        prop_oneof![
            2 => id().prop_map(Step::Live),
            4 => id().prop_map(Step::Stock),
            2 => (id(), prop::bool::weighted(0.1)).prop_map(|(id, last)| Step::Gone(id, last)),
            2 => Just(Step::TakeIn),
            2 => id().prop_map(Step::Follow),
            3 => Just(Step::Answer),
            1 => id().prop_map(Step::Unfollow),
            1 => Just(Step::Subscribe),
            1 => any::<bool>().prop_map(Step::Move),
            3 => prop_oneof![Just(0usize), 1usize..60, Just(usize::MAX)].prop_map(Step::Room),
        ],
        1..80,
    )
}

struct Play {
    scene: Scene,
    slot: u32,
    socket: Socket,
    /// What owners told last.
    told: BTreeMap<u128, PromotionRecord>,
    /// Reads whose answers are on their way.
    reads: Vec<(PromotionRecord, u32)>,
    /// The newest version that came, over both channels, and on the topic alone.
    newest: BTreeMap<u128, u64>,
    on_topic: BTreeMap<u128, u64>,
}

impl Play {
    fn new() -> Self {
        let mut scene = Scene::new();
        let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
        let told = (1..4).map(|id| (id, record(id, 1, Status::Scheduled, 2_000))).collect();
        let (reads, newest, on_topic) = Default::default();
        Self { scene, slot, socket, told, reads, newest, on_topic }
    }

    /// The owner goes on to a status, if it may, and tells.
    fn tell(&mut self, id: u128, status: Status) {
        let record = self.told.get_mut(&id).unwrap();
        let before = record.counters.status;
        let over = matches!(before, Status::Ended);
        if over || (status != Status::Live && before != Status::Live) {
            return;
        }
        record.counters.status = status;
        record.counters.v += 1;
        let v = record.counters.v;
        let update = match status {
            Status::Live => offer_of(record.clone()),
            Status::Paused => gone(id, v, GoneReason::Paused),
            _ => gone(id, v, GoneReason::Ended),
        };
        self.lag(update);
    }

    fn count(&mut self, id: u128) {
        let record = self.told.get_mut(&id).unwrap();
        if record.counters.status == Status::Live {
            record.counters.v += 1;
            record.counters.sold += 1;
            let (v, remaining) = (record.counters.v, record.remaining());
            self.lag(stock(id, v, remaining));
        }
    }

    fn lag(&mut self, update: Update) {
        self.scene.inbox.publish(&Arc::new(super::super::wire::Published::new(update, &Lines)));
    }

    /// As the edge does it: the newest state, the answer, and from then on publications.
    fn answer(&mut self) {
        if self.reads.is_empty() {
            return;
        }
        let (read, registration) = self.reads.remove(0);
        let shard = &mut self.scene.shard;
        if shard.follows(self.slot, read.id, registration) {
            let record = shard.newest(read);
            let line = format!("topic offer {}:{}\n", number(record.id), record.counters.v);
            shard.send(self.slot, line.into());
            shard.followed(self.slot, &record, false);
        }
    }

    fn subscribe(&mut self) {
        let snapshot = self.scene.shard.subscribe(self.slot, seat(0.0, 5_000.0), &Known::new());
        for offer in &snapshot.offers {
            let line = format!("offer {}\n", String::from_utf8_lossy(offer));
            self.scene.shard.send(self.slot, line.into());
        }
        self.scene.shard.subscribed(self.slot, &snapshot.rest);
    }

    fn flush(&mut self) {
        self.socket.room(usize::MAX);
        while self.scene.shard.attention(self.slot).waiting {
            self.scene.shard.flush(self.slot);
        }
    }

    fn read(&mut self) {
        for line in self.socket.lines() {
            if line.starts_with("unsubscribed") {
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let topic = words[0] == "topic";
            let (id, v) = words[if topic { 2 } else { 1 }].split_once(':').unwrap();
            let (id, v): (u128, u64) = (id.parse().unwrap(), v.parse().unwrap());
            let newest = self.newest.entry(id).or_default();
            assert!(v >= *newest, "I26: {line} after version {newest}");
            *newest = v;
            if topic {
                self.on_topic.insert(id, v);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Live(id) => self.tell(id, Status::Live),
            Step::Stock(id) => self.count(id),
            Step::Gone(id, last) => self.tell(id, if last { Status::Ended } else { Status::Paused }),
            Step::TakeIn => self.scene.shard.take_in(),
            Step::Follow(id) => {
                if let Ok(registration) = self.scene.shard.follow(self.slot, promotion(id)) {
                    self.reads.push((self.told[&id].clone(), registration));
                }
            }
            Step::Answer => self.answer(),
            Step::Unfollow(id) => {
                self.scene.shard.unfollow(self.slot, promotion(id));
            }
            Step::Subscribe => self.subscribe(),
            Step::Move(near) => {
                self.scene.shard.relocate(self.slot, moved(if near { 0.0 } else { 4_000.0 }));
            }
            Step::Room(bytes) => {
                self.socket.room(bytes);
                self.scene.shard.flush(self.slot);
            }
        }
        self.read();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// I26: versions never fall on a socket with both channels, and who follows has the last state in the end.
    #[test]
    fn i26_versions_never_fall_across_the_channels_of_a_socket(steps in steps()) {
        let mut play = Play::new();
        for step in steps {
            play.step(step);
        }
        play.flush();
        while !play.reads.is_empty() {
            play.answer();
        }
        play.scene.shard.take_in();
        play.flush();
        play.read();
        for (id, told) in &play.told {
            if play.scene.shard.sessions.get(play.slot).unwrap().topics.contains(&promotion(*id)) {
                prop_assert_eq!(play.on_topic.get(id), Some(&told.counters.v), "the last state of {}", id);
            }
        }
    }
}
