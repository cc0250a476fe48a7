//! The audit. The checks of the schema leave it little: no job can be without a place. What may be wrong, after a file
//! was changed by hand, are the lengths of the lists.

use rusqlite::Connection;

use super::{error::DbError, txn::Txn};

/// Every list, counted; then what the lists should be.
const COUNTED: &str = "
    SELECT list, language, COUNT(*), SUM(bytes) FROM jobs WHERE list IS NOT NULL GROUP BY language, list
    UNION ALL SELECT 'dead', language, COUNT(*), 0 FROM dead GROUP BY language
    UNION ALL SELECT 'results', '', COUNT(*), SUM(result_bytes) FROM jobs WHERE result_bytes IS NOT NULL
      HAVING COUNT(*) > 0";

/// Whether some list is longer or shorter than it says. Both are of one moment.
pub(super) fn is_miscounted(db: &Connection) -> rusqlite::Result<bool> {
    let kept = "SELECT name, language, jobs, bytes FROM lists WHERE jobs <> 0 OR bytes <> 0";
    db.query_row(
        &format!(
            "SELECT EXISTS (SELECT * FROM ({COUNTED}) EXCEPT {kept})
               OR EXISTS ({kept} EXCEPT SELECT * FROM ({COUNTED}))"
        ),
        [],
        |row| row.get(0),
    )
}

pub(super) fn recount(txn: &Txn<'_>) -> Result<(), DbError> {
    txn.run("DELETE FROM lists", [])?;
    txn.run(&format!("INSERT INTO lists {COUNTED}"), [])?;
    Ok(())
}
