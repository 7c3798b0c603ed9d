//! What is asked of the server after a run, for the judge: the counters of sales and the merchant's lists of claims.
//!
//! It knows the contract; what the answers prove is the judge's business.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::history::{Final, History, Listed, Sale};
use crate::setting::{ask, show};

/// Sales whose counters are read, those with the most claims first.
const SALES_MAX: usize = 2_000;
/// Pages of the merchant's lists that are read.
const PAGES_MAX: usize = 5_000;
/// Claims per page; the contract's greatest.
const PAGE: usize = 100;

/// Versions of sales, as they were when live sessions began to be given time.
pub type Versions = HashMap<Uuid, u64>;

fn number(answer: &Value, field: &str) -> Result<u64> {
    answer
        .get(field)
        .and_then(Value::as_u64)
        .ok_or_else(|| Error::Unexpected(format!("a promotion without {field}: {answer}")))
}

/// Reads the versions of these sales.
///
/// # Errors
/// The server refuses or cannot be reached.
pub fn versions(server: SocketAddr, token: &str, sales: &[Sale]) -> Result<Versions> {
    let of = |sale: &Sale| Ok((sale.id, number(&show(server, token, sale)?, "v")?));
    sales.iter().take(SALES_MAX).map(of).collect()
}

/// The sales of a history, those with the most claims first, with how many were asked for.
fn busiest(history: &History) -> Vec<(u32, usize)> {
    let mut counts: Vec<(u32, usize)> = (0u32..).zip(&history.sales).map(|(index, _)| (index, 0)).collect();
    for operation in history.operations.iter().filter(|operation| operation.kind.is_claim()) {
        if let Some((_, count)) = counts.get_mut(operation.sale as usize) {
            *count += 1;
        }
    }
    counts.sort_by_key(|(index, count)| (std::cmp::Reverse(*count), *index));
    counts
}

/// Reads counters into the history; those whose version has not changed since `before` were at rest.
///
/// # Errors
/// The server refuses or cannot be reached.
pub fn counters(server: SocketAddr, token: &str, before: &Versions, history: &mut History) -> Result<()> {
    for (index, _) in busiest(history).into_iter().take(SALES_MAX) {
        let Some(sale) = history.sales.get(index as usize) else { continue };
        let answer = show(server, token, sale)?;
        let count = |field: &str| Ok::<_, Error>(u32::try_from(number(&answer, field)?).unwrap_or(u32::MAX));
        let v = number(&answer, "v")?;
        let last = Final {
            sale: index,
            status: answer.get("status").and_then(Value::as_str).unwrap_or_default().to_owned(),
            stock: count("stock")?,
            remaining: count("remaining")?,
            held: count("held")?,
            sold: count("sold")?,
            v,
            at_rest: before.get(&sale.id) == Some(&v),
        };
        history.finals.push(last);
    }
    Ok(())
}

/// Reads the merchant's lists of claims into the history, whole lists only; returns how many sales were left out.
///
/// # Errors
/// The server refuses or cannot be reached.
pub fn lists(server: SocketAddr, token: &str, history: &mut History) -> Result<usize> {
    let mut left_out = 0;
    let mut pages = 0;
    for (index, asked) in busiest(history) {
        let Some(sale) = history.sales.get(index as usize).cloned() else { continue };
        if asked == 0 {
            break;
        }
        let most = asked.min(sale.stock as usize) / PAGE + 1;
        if pages + most > PAGES_MAX {
            left_out += 1;
            continue;
        }
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/api/v1/promotions/{}/claims?limit={PAGE}{after}", sale.id);
            let page = ask(server, "GET", &path, Some(token), "")?.json(&path, 200)?;
            pages += 1;
            let items = page.get("items").and_then(Value::as_array);
            let items = items.ok_or_else(|| Error::Unexpected(format!("a list without items: {page}")))?;
            for item in items {
                let row = listed(index, item);
                history
                    .listed
                    .push(row.ok_or_else(|| Error::Unexpected(format!("a claim in a list: {item}")))?);
            }
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        history.listed_sales.push(index);
    }
    Ok(left_out)
}

fn listed(sale: u32, item: &Value) -> Option<Listed> {
    Some(Listed {
        sale,
        claim: item.get("id")?.as_str()?.parse().ok()?,
        status: item.get("status")?.as_str()?.to_owned(),
        quantity: u32::try_from(item.get("quantity")?.as_u64()?).ok()?,
    })
}
