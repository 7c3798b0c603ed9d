//! Promotions around a point, nearest first, however many there are. Compiled once per driver.
//!
//! H3 cells route, distance decides. Rings of growing radius are scanned until a page is full, so that the work follows
//! from what a page needs and not from what a city has; of a scan only a page of places is kept. Rows are read lean (id,
//! place, reach); only a page's promotions are read whole.

use super::promotions::push_filter;
use super::rows::{self, PROMOTION, int};
use super::{Adapter, certain};
use flash_actors::ports::catalogue::{Around, Near, PromotionFilter};
use flash_actors::ports::{Page, PortError};
use flash_domain::geo::{Location, Reach, cover};
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, Row};
use std::collections::{BinaryHeap, HashMap};
use uuid::Uuid;

/// Each ring's radius is so many times the one before: its disk has nine times the area.
const GROWTH: f64 = 3.0;
/// Metres; the first ring's radius. Smaller ones would only repeat scans of the same few cells.
const FIRST_RADIUS_M: f64 = 500.0;

impl Adapter {
    pub(super) async fn fetch_nearest(
        &self,
        filter: PromotionFilter,
        around: Around,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Page<Near>, PortError> {
        let limit = limit as usize;
        // What is nearer than where the last page ended was told there.
        let begin = around.after.map_or(0.0, |(distance_mm, _)| distance_mm as f64 / 1000.0);
        let mut radius_m = FIRST_RADIUS_M.max(begin * GROWTH).min(around.radius_m);
        let places = loop {
            let places = self.scan(&filter, &around, radius_m, now, limit + 1).await?;
            if places.len() > limit || radius_m >= around.radius_m {
                break places;
            }
            radius_m = (radius_m * GROWTH).min(around.radius_m);
        };
        let more = places.len() > limit;
        let wanted = &places[..places.len().min(limit)];
        let mut found = self.fetch_many(wanted.iter().map(|(_, id)| *id)).await?;
        // One that was deleted (a draft) between the two reads is left out.
        let items =
            wanted.iter().filter_map(|place| Some(Near { place: *place, record: found.remove(&place.1)? }));
        Ok(Page { items: items.collect(), more })
    }

    /// The first `keep` places within a disk, by distance and id.
    async fn scan(
        &self,
        filter: &PromotionFilter,
        around: &Around,
        radius_m: f64,
        now: UnixMillis,
        keep: usize,
    ) -> Result<Vec<(u64, Uuid)>, PortError> {
        let cover = cover(around.point, radius_m);
        let mut query =
            QueryBuilder::<super::Db>::new("SELECT id, store_lat, store_lng, reach_m FROM promotions WHERE ");
        query.push(match u8::from(cover.resolution) {
            8 => "cell_8 IN (",
            6 => "cell_6 IN (",
            _ => "cell_4 IN (",
        });
        let mut list = query.separated(", ");
        for cell in &cover.cells {
            list.push_bind(u64::from(*cell) as i64);
        }
        query.push(")");
        push_filter(&mut query, filter, now);
        let here = around.point.unit_vector();
        let radius = Reach::new(radius_m);
        let mut nearest = BinaryHeap::with_capacity(keep + 1);
        let query = query.build();
        let mut found = query.fetch(self.reader());
        while let Some(row) = found.try_next().await.map_err(certain)? {
            let id = super::id(&row, "id")?;
            let at = |column| row.try_get::<f64, _>(column).map_err(|_| rows::corrupt("place"));
            let store =
                Location::new(at("store_lat")?, at("store_lng")?).map_err(|_| rows::corrupt("place"))?;
            let reach = Reach::new(int(&row, "reach_m")? as f64);
            if !radius.narrower(reach).within(&here, &store.unit_vector()) {
                continue;
            }
            let place = ((store.distance_m(around.point) * 1000.0).round() as u64, id);
            if radius_m < around.radius_m && place.0 >= (radius_m * 1000.0) as u64 {
                continue; // On the ring's edge, rounded: another of the same place may lie outside.
            }
            let full = nearest.len() == keep && nearest.peek().is_some_and(|last| *last < place);
            if full || around.after.is_some_and(|after| place <= after) {
                continue;
            }
            nearest.push(place);
            if nearest.len() > keep {
                nearest.pop();
            }
        }
        Ok(nearest.into_sorted_vec())
    }

    async fn fetch_many(
        &self,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, PromotionRecord>, PortError> {
        let mut query =
            QueryBuilder::<super::Db>::new(format!("SELECT {PROMOTION} FROM promotions WHERE id IN ("));
        let mut list = query.separated(", ");
        let mut count = 0;
        for id in ids {
            list.push_bind(id);
            count += 1;
        }
        query.push(")");
        if count == 0 {
            return Ok(HashMap::new());
        }
        let found = query.build().fetch_all(self.reader()).await.map_err(certain)?;
        found.iter().map(|row| rows::promotion(row).map(|record| (record.id.0, record))).collect()
    }
}
