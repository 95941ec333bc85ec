//! Flush: a batch into the tables and the cursor after it, in one transaction.
//!
//! Rows above the cursor are copied straight into their table; a batch that may overlap what is there goes through a table of this
//! connection's own, and only what is missing is taken from there. A row that the database does not take is found by halving, and set
//! aside in `dead_letters`.

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use corec_core::store::Batch;
use futures_util::SinkExt;
use tokio_postgres::{Client, SimpleQueryMessage, Statement};

use super::cursor::{Cursor, Owned};
use super::rows::{Row, choose};
use super::server::{Link, TABLES, copied, within};
use super::trouble::Trouble;

/// Bytes that are sent at once: large enough that a message costs nothing, small enough to stay in a cache.
const CHUNK: usize = 128 << 10;
/// How a binary COPY begins: signature, flags, length of an extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Rows of a batch that may be set aside. More is no slip of a row's: the table has been changed.
const ASIDE_MAX: usize = 1000;

/// Memory of a flush, kept for the next.
#[derive(Default)]
pub(super) struct Buffers {
    order: Vec<u32>,
    aside: Vec<(u32, String)>,
    /// As many as can be on their way to the socket, so that one that comes round is free again.
    chunks: [BytesMut; 4],
}

/// What a flush has come to.
pub(super) struct Flushed {
    pub cursor: Cursor,
    /// Rows set aside, and the last cause.
    pub aside: usize,
    pub cause: Option<String>,
}

/// How a table is written.
#[derive(Clone, Copy)]
struct Way {
    /// Whether rows may be there already.
    may_overlap: bool,
    /// Whether a bad row is looked for, under savepoints.
    is_careful: bool,
}

struct Flush<'f> {
    client: &'f Client,
    copies: &'f mut [Option<Statement>; TABLES],
    buffers: &'f mut Buffers,
    owned: &'f Owned,
    is_careful: bool,
    done: Flushed,
}

/// Writes a batch.
///
/// # Errors
/// See [`Trouble`]: `BadData` where a careful flush finds which row it is.
pub(super) async fn flush(
    link: &mut Link,
    buffers: &mut Buffers,
    owned: &Owned,
    batch: &Batch,
    is_careful: bool,
) -> Result<Flushed, Trouble> {
    let Link { client, copies, .. } = link;
    let client: &Client = client;
    let next = owned.cursor.after(batch);
    let begun = within(client.simple_query(&owned.begin_and_move(&next))).await?;
    let moved = begun
        .iter()
        .filter_map(|m| if let SimpleQueryMessage::CommandComplete(n) = m { Some(*n) } else { None });
    if moved.last() != Some(1) {
        within(client.batch_execute("ROLLBACK")).await?;
        return Err(Trouble::Moved);
    }
    let done = Flushed { cursor: next, aside: 0, cause: None };
    let mut flush = Flush { client, copies, buffers, owned, is_careful, done };
    let written = async {
        flush.table(&batch.blocks).await?;
        flush.table(&batch.alerts).await?;
        flush.table(&batch.metrics).await?;
        flush.table(&batch.rows).await?;
        flush.table(&batch.repairs).await?;
        within(client.batch_execute("COMMIT")).await
    };
    if let Err(trouble) = written.await {
        if matches!(trouble, Trouble::BadData(_)) {
            within(client.batch_execute("ROLLBACK")).await?;
        }
        return Err(trouble);
    }
    Ok(flush.done)
}

impl Flush<'_> {
    async fn table<T: Row>(&mut self, rows: &[T]) -> Result<(), Trouble> {
        if rows.is_empty() {
            return Ok(());
        }
        let (mut order, mut aside) =
            (std::mem::take(&mut self.buffers.order), std::mem::take(&mut self.buffers.aside));
        aside.clear();
        let is_above = choose(rows, &self.owned.cursor, &mut order, &mut aside);
        let way = Way { may_overlap: !is_above, is_careful: self.is_careful };
        let written = self.write(rows, &order, &mut aside, way).await;
        let kept = match written {
            Ok(()) => self.set_aside(rows, &aside).await,
            Err(trouble) => Err(trouble),
        };
        (self.buffers.order, self.buffers.aside) = (order, aside);
        kept
    }

    /// Writes the rows at `order`. Where care is taken, those that the database does not take are added to `aside`.
    async fn write<T: Row>(
        &mut self,
        rows: &[T],
        order: &[u32],
        aside: &mut Vec<(u32, String)>,
        way: Way,
    ) -> Result<(), Trouble> {
        if !way.is_careful {
            return self.put(rows, order, way).await;
        }
        let mut parts = vec![order];
        while let Some(part) = parts.pop() {
            within(self.client.batch_execute("SAVEPOINT part")).await?;
            match self.put(rows, part, way).await {
                Ok(()) => within(self.client.batch_execute("RELEASE part")).await?,
                Err(Trouble::BadData(cause)) => {
                    within(self.client.batch_execute("ROLLBACK TO part; RELEASE part")).await?;
                    if let [bad] = part {
                        aside.push((*bad, cause));
                    } else {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                }
                Err(other) => return Err(other),
            }
            check_aside::<T>(aside)?;
        }
        Ok(())
    }

    /// Puts rows into their table, those of them that are not there.
    async fn put<T: Row>(&mut self, rows: &[T], order: &[u32], way: Way) -> Result<(), Trouble> {
        if order.is_empty() {
            return Ok(());
        }
        if !way.may_overlap {
            let copy = match &self.copies[T::PLACE] {
                Some(copy) => copy.clone(),
                None => self.prepare::<T>(T::TABLE).await?,
            };
            self.copies[T::PLACE] = Some(copy.clone());
            return self.copy(&copy, rows, order).await;
        }
        let staged = format!("corec_staged_{}", T::TABLE);
        let (table, columns) = (T::TABLE, T::COLUMNS.join(", "));
        // Nothing is known of a table that was filled just now: a nested loop would read the other one for each of its rows.
        within(self.client.batch_execute(&format!(
            "SET LOCAL enable_nestloop = off; CREATE TEMP TABLE IF NOT EXISTS {staged} ON COMMIT DELETE ROWS \
             AS SELECT {columns} FROM {table} WITH NO DATA"
        )))
        .await?;
        let copy = self.prepare::<T>(&staged).await?;
        self.copy(&copy, rows, order).await?;
        let firsts = order.iter().map(|at| rows[*at as usize].first());
        let (low, high) = firsts.fold((u64::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        let same: Vec<_> = T::KEY.iter().map(|key| format!("there.{key} = staged.{key}")).collect();
        let (same, first, run) = (same.join(" AND "), T::KEY[0], self.owned.run);
        within(self.client.batch_execute(&format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} AS staged WHERE NOT EXISTS (SELECT FROM {table} AS there \
             WHERE there.run = {run} AND there.{first} BETWEEN {low} AND {high} AND {same}); TRUNCATE {staged}"
        )))
        .await
    }

    async fn prepare<T: Row>(&self, table: &str) -> Result<Statement, Trouble> {
        let copy = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", T::COLUMNS.join(", "));
        within(self.client.prepare(&copy)).await
    }

    async fn copy<T: Row>(&mut self, copy: &Statement, rows: &[T], order: &[u32]) -> Result<(), Trouble> {
        let mut to = pin!(within(self.client.copy_in::<_, Bytes>(copy)).await?);
        let (mut turn, mut chunk) = (0, std::mem::take(&mut self.buffers.chunks[0]));
        chunk.reserve(CHUNK + CHUNK / 8);
        chunk.put_slice(HEADER);
        for at in order {
            chunk.put_i16(T::COLUMNS.len() as i16);
            rows[*at as usize].encode(self.owned.run, &mut chunk);
            if chunk.len() >= CHUNK {
                within(to.feed(chunk.split().freeze())).await?;
                self.buffers.chunks[turn] = chunk;
                turn = (turn + 1) % self.buffers.chunks.len();
                chunk = std::mem::take(&mut self.buffers.chunks[turn]);
                chunk.reserve(CHUNK + CHUNK / 8);
            }
        }
        chunk.put_i16(-1);
        within(to.feed(chunk.split().freeze())).await?;
        self.buffers.chunks[turn] = chunk;
        let taken = copied(to.as_mut().finish()).await?;
        if taken != order.len() as u64 {
            // A trigger of somebody's: what it kept back is its business.
            tracing::debug!("store: {} took {taken} of {} rows", T::TABLE, order.len());
        }
        Ok(())
    }

    async fn set_aside<T: Row>(&mut self, rows: &[T], aside: &[(u32, String)]) -> Result<(), Trouble> {
        check_aside::<T>(aside)?;
        let insert = "INSERT INTO dead_letters (run, kind, content, cause) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        for (at, cause) in aside {
            let content = ascii(&rows[*at as usize].content().to_string());
            let cause = ascii(cause);
            within(self.client.execute(insert, &[&self.owned.run, &T::TABLE, &content, &cause])).await?;
            self.done.aside += 1;
            self.done.cause = Some(format!("{}: {cause}", T::TABLE));
        }
        Ok(())
    }
}

fn check_aside<T: Row>(aside: &[(u32, String)]) -> Result<(), Trouble> {
    let Some((_, cause)) = aside.get(ASIDE_MAX) else { return Ok(()) };
    let table = T::TABLE;
    Err(Trouble::Refused(format!(
        "{table}: found more than {ASIDE_MAX} rows in a batch that the database does not take, must be few: {cause}"
    )))
}

/// A text that a database of any encoding takes: what is not ASCII as JSON writes it.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_ascii() && sign != '\0' {
            out.push(sign);
        } else {
            let units = sign
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            out.push_str(&units);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_ascii() {
        assert_eq!(ascii("a\0é😀"), "a\\u0000\\u00e9\\ud83d\\ude00");
    }
}
