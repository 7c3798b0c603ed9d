//! `flash-hot-paths`: the engine's hot paths by themselves, in this process: to decide a claim, to match a position, to
//! encode and queue a frame.
//!
//! `make bench` prints how many of each are done in a second; `make guard` runs a given number of them under callgrind
//! and compares the instructions of one with a reference (`scripts/guard`). It touches no socket and no disk.

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use flash_actors::feed::{LiveOffer, Update};
use flash_actors::hub::inbox::Inbox;
use flash_actors::hub::nearby::Move;
use flash_actors::hub::session::{Place, Seat};
use flash_actors::hub::wire::{Published, Wire};
use flash_actors::hub::{Hubs, Shard, Sink};
use flash_domain::geo::{Location, Reach, cover_of_reach};
use flash_domain::ids::{ClaimId, ProductId, PromotionId, StoreId, UserId};
use flash_domain::money::Money;
use flash_domain::promotion::{
    ClaimAsk, Counters, ProductCopy, Promotion, PromotionRecord, Status, StoreCopy,
};
use flash_domain::segment::{Segment, Segments};
use flash_domain::terms::Terms;
use flash_domain::time::{MonoMillis, Now, UnixMillis};
use flash_promos::live::encode::Json;
use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Sales of one city, cities, and watching shoppers of one city.
const SALES: u32 = 250;
const CITIES: u32 = 100;
const SHOPPERS: u32 = 100;
/// A city's radius.
const CITY_M: f64 = 15_000.0;
const REACH_M: u32 = 5_000;
/// How far a shopper walks between two positions.
const STEP_M: f64 = 15.0;
const NOW: Now = Now { wall: UnixMillis(1_800_000_000_000), mono: MonoMillis(0) };

/// Runs the engine's hot paths by themselves.
#[derive(Parser)]
struct Arguments {
    /// Which; all of them when left out.
    #[arg(long)]
    only: Option<HotPath>,
    /// Exactly so many of them, without a clock: for counting instructions.
    #[arg(long, requires = "only")]
    count: Option<u64>,
    /// Seconds for each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HotPath {
    /// A claim is decided: accepted, noted for the next commit, kept.
    Claim,
    /// A walking shopper's position is matched with 25,000 live sales of 5 km.
    Position,
    /// A stock update is encoded and queued for 100 sessions, and a tick goes by, which writes what is due.
    Frame,
    /// Nothing of the engine: SHA-256 of 4 KiB, which tells compilers and machines apart from changes.
    Reference,
}

/// Something that can be done again and again.
type Work = Box<dyn FnMut(u64)>;

impl HotPath {
    fn prepare(self) -> Result<Work, Box<dyn Error>> {
        match self {
            Self::Claim => claims(),
            Self::Position => positions(),
            Self::Frame => frames(),
            Self::Reference => Ok(reference()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let (Some(path), Some(count)) = (arguments.only, arguments.count) {
        let mut work = path.prepare()?;
        counted(count, &mut work);
        return Ok(());
    }
    for path in
        HotPath::value_variants().iter().filter(|path| arguments.only.is_none_or(|only| only == **path))
    {
        let mut work = path.prepare()?;
        let (start, limit) = (Instant::now(), Duration::from_secs_f64(arguments.seconds));
        let mut done = 0;
        while start.elapsed() < limit {
            (done..done + 256).for_each(&mut work);
            done += 256;
        }
        println!("{path:?}: {:.0}/s", done as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// What callgrind counts: it is told this name.
#[inline(never)]
fn counted(count: u64, work: &mut Work) {
    (0..count).for_each(work);
}

fn id(n: u64) -> Uuid {
    // Spread like real ones, and the same in each run.
    let high = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(high, high.rotate_left(31) ^ n)
}

fn record(n: u64, at: Location, stock: u32) -> Result<PromotionRecord, Box<dyn Error>> {
    let price = Money { amount: 49_999, currency: "COP".parse()? };
    Ok(PromotionRecord {
        id: PromotionId(id(n)),
        series_id: None,
        store: StoreCopy { id: StoreId(id(1)), name: "TechShop Centro".into(), location: at },
        product: ProductCopy { id: ProductId(id(2)), name: "Wireless headphones".into(), image_url: None },
        terms: Terms {
            price,
            original_price: price,
            stock,
            per_shopper_limit: None,
            starts_at: UnixMillis(0),
            ends_at: NOW.wall.plus_ms(86_400_000),
            reach_m: REACH_M,
            claim_within_m: None,
            hold_seconds: 60,
            segments: Segments::default(),
            category: None,
        },
        counters: Counters { status: Status::Live, v: 1, ..Counters::default() },
        created_at: UnixMillis(0),
    })
}

/// Each claim has a shopper and a key of its own; what is decided is collected 64 at a time, as persistence does.
fn claims() -> Result<Work, Box<dyn Error>> {
    let fresh = record(1, Location::new(6.2442, -75.5812)?, 1_000_000)?;
    let mut promotion = Promotion::load(fresh.clone(), Vec::new(), NOW);
    Ok(Box::new(move |n| {
        if n % 900_000 == 899_999 {
            promotion = Promotion::load(fresh.clone(), Vec::new(), NOW);
        }
        let key = id(n + 3).to_string();
        let ask = ClaimAsk {
            user_id: UserId(id(n % 20_000)),
            quantity: 1,
            idempotency_key: &key,
            location: None,
            segment: Segment::New,
            claim_id: ClaimId(id(n)),
            redemption_code: "0123456789ABCDEF",
        };
        assert!(std::hint::black_box(promotion.claim(&ask, NOW)).is_ok());
        if n % 64 == 63 {
            std::hint::black_box(promotion.take_change());
        }
    }))
}

/// A socket that takes everything and counts its bytes.
#[derive(Clone, Default)]
struct Void(Rc<Cell<usize>>);

impl Sink for Void {
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn wake(&self) {}
}

/// A shard with the real wire format, and an inbox to publish into.
struct Stage {
    shard: Shard<Void>,
    inbox: Arc<Inbox>,
}

impl Stage {
    fn new() -> Self {
        let hubs = Hubs::new(Arc::new(Json), usize::MAX);
        let inbox = Arc::new(Inbox::default());
        Self { shard: Shard::new(hubs, inbox.clone()), inbox }
    }

    fn publish(&mut self, update: Update) {
        self.inbox.publish(&Arc::new(Published::new(update, &Json as &dyn Wire)));
        self.shard.take_in();
    }

    fn sale(&mut self, n: u64, at: Location) -> Result<(), Box<dyn Error>> {
        let record = record(n, at, 1_000)?;
        let cover = Arc::new(cover_of_reach(at, REACH_M));
        self.publish(Update::Offer(Arc::new(LiveOffer { cover, point: at.unit_vector(), record })));
        Ok(())
    }

    fn shopper(&mut self, at: Location) -> u32 {
        let slot = self.shard.open(Void::default());
        self.shard.connected(slot);
        let seat =
            Seat { place: Some(Place::from(at)), radius: Reach::new(f64::from(REACH_M)), categories: None };
        let snapshot = self.shard.subscribe(slot, seat, &Default::default());
        self.shard.subscribed(slot, &snapshot.rest);
        slot
    }
}

/// A place in a city: `turn` in [0, 1) around its middle, `out` in [0, 1] of its radius away.
fn place(city: u32, turn: f64, out: f64) -> Result<Location, Box<dyn Error>> {
    // Cities lie on a golden spiral between 60 degrees south and north.
    let lat = -60.0 + 120.0 * f64::from(city) / f64::from(CITIES);
    let lng = (f64::from(city) * 137.507_764).rem_euclid(360.0) - 180.0;
    let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
    let degrees = (CITY_M * out / 6_371_008.8).to_degrees();
    let lng = lng + degrees * sin / lat.to_radians().cos();
    Ok(Location::new(lat + degrees * cos, lng.clamp(-180.0, 180.0))?)
}

fn fraction(n: u64) -> f64 {
    (id(n).as_u64_pair().0 >> 11) as f64 / (1u64 << 53) as f64
}

fn positions() -> Result<Work, Box<dyn Error>> {
    let mut stage = Stage::new();
    for city in 0..CITIES {
        for sale in 0..SALES {
            let n = u64::from(city * SALES + sale);
            stage.sale(n + 1, place(city, fraction(3 * n), fraction(3 * n + 1).sqrt())?)?;
        }
    }
    let mut slots = Vec::new();
    for city in 0..CITIES {
        for shopper in 0..SHOPPERS {
            let n = u64::from(city * SHOPPERS + shopper);
            let (turn, out) = (fraction(7 * n), fraction(7 * n + 1).sqrt());
            slots.push((stage.shopper(place(city, turn, out)?), city, turn, out));
        }
    }
    Ok(Box::new(move |n| {
        let index = (n % slots.len() as u64) as usize;
        let (slot, city, turn, out) = &mut slots[index];
        *turn = (*turn + STEP_M / (std::f64::consts::TAU * CITY_M * out.max(0.05))).fract();
        if let Ok(to) = place(*city, *turn, *out) {
            let to = Move { place: Place::from(to), radius: None, categories: None, known: None };
            std::hint::black_box(stage.shard.relocate(*slot, to));
        }
    }))
}

fn frames() -> Result<Work, Box<dyn Error>> {
    let mut stage = Stage::new();
    let middle = place(0, 0.0, 0.0)?;
    stage.sale(1, middle)?;
    for _ in 0..SHOPPERS {
        stage.shopper(middle);
    }
    let promotion = PromotionId(id(1));
    Ok(Box::new(move |n| {
        stage.publish(Update::Stock { id: promotion, v: n + 2, remaining: (n % 1_000) as u32, held: 0 });
        stage.shard.tick();
    }))
}

fn reference() -> Work {
    let block = Bytes::from(vec![7_u8; 4_096]);
    Box::new(move |_| {
        use sha2::Digest;
        std::hint::black_box(sha2::Sha256::digest(&block));
    })
}
