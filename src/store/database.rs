//! What the database is, and how it is set up: SQLite by this program, a MySQL or MariaDB server by its owner.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::connection::Db;
use super::{Result, Store};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `SQLite` or `MySQL`.
    pub kind: &'static str,
    /// What it takes on its disk.
    pub bytes: u64,
    /// How much of it its server may keep in memory; `None` where the machine's memory alone says that.
    pub memory_bytes: Option<u64>,
}

impl Database {
    /// What is wrong with the server's memory, if anything. Measured with MariaDB's 128 MiB and 50,000 devices: once
    /// there was more than that, the slowest hundredth of the acknowledgements took 190 to 1,050 ms instead of 80.
    #[must_use]
    pub fn lacks_memory(&self) -> Option<String> {
        let memory = self.memory_bytes.filter(|memory| self.bytes > *memory)?;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let (bytes, memory) = (mib(self.bytes), mib(memory));
        Some(format!("it has {bytes} MiB, and innodb_buffer_pool_size is {memory} MiB; set it to more than it has"))
    }
}

impl Store {
    /// What the database is.
    pub async fn database(&self) -> Result<Database> {
        self.read(|db| Ok(database(db)?)).await
    }

    /// What the database's settings put at risk: sentences for admins.
    pub async fn at_risk(&self) -> Result<Vec<String>> {
        self.read(|db| Ok(at_risk(db)?)).await
    }
}

#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    memory: Option<i64>,
}

fn database(db: &mut Db) -> QueryResult<Database> {
    let (kind, sizes) = match db {
        Db::Sqlite(_) => (
            "SQLite",
            "SELECT page_count * page_size AS bytes, NULL AS memory FROM pragma_page_count(), pragma_page_size()",
        ),
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => (
            "MySQL",
            "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) AS bytes, \
             CAST(@@global.innodb_buffer_pool_size AS SIGNED) AS memory \
             FROM information_schema.tables WHERE table_schema = DATABASE()",
        ),
    };
    let Size { bytes, memory } = diesel::sql_query(sizes).get_result(db)?;
    let whole = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    Ok(Database { kind, bytes: whole(bytes), memory_bytes: memory.map(whole) })
}

#[cfg(feature = "mysql")]
#[derive(QueryableByName)]
struct Durability {
    #[diesel(sql_type = BigInt)]
    flush: i64,
    #[diesel(sql_type = BigInt)]
    log_bin: i64,
    #[diesel(sql_type = BigInt)]
    sync_binlog: i64,
}

/// Settings under which a committed row may be lost in a power cut.
fn at_risk(db: &mut Db) -> QueryResult<Vec<String>> {
    match db {
        Db::Sqlite(_) => Ok(Vec::new()),
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => {
            let text = "SELECT CAST(@@global.innodb_flush_log_at_trx_commit AS SIGNED) AS flush, \
                        CAST(@@global.log_bin AS SIGNED) AS log_bin, \
                        CAST(@@global.sync_binlog AS SIGNED) AS sync_binlog";
            let set: Durability = diesel::sql_query(text).get_result(db)?;
            let lost = "acknowledged reports can be lost when the database server's machine loses power";
            let mut found = Vec::new();
            if set.flush != 1 {
                found.push(format!("innodb_flush_log_at_trx_commit is {}: {lost}; set it to 1", set.flush));
            }
            if set.log_bin != 0 && set.sync_binlog != 1 {
                found.push(format!("the binary log is on and sync_binlog is {}: {lost}; set it to 1", set.sync_binlog));
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_lacking_where_there_is_more_than_it_holds() {
        let of = |bytes, memory_bytes| Database { kind: "MySQL", bytes, memory_bytes };
        let (fits, more) = (of(128 << 20, Some(128 << 20)), of((128 << 20) + 1, Some(128 << 20)));
        assert_eq!((fits.lacks_memory(), of(1 << 40, None).lacks_memory()), (None, None));
        let said = "it has 129 MiB, and innodb_buffer_pool_size is 128 MiB; set it to more than it has";
        assert_eq!(more.lacks_memory().as_deref(), Some(said));
    }
}
