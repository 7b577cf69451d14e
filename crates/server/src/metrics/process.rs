//! What the system says of this process.

/// CPU, memory and files.
pub(super) struct Own {
    pub(super) cpu_seconds: f64,
    pub(super) virtual_bytes: f64,
    pub(super) resident_bytes: f64,
    pub(super) threads: f64,
    pub(super) open_files: f64,
}

/// Clock ticks a second in `/proc`: 100 on every Linux that there is.
const TICKS: f64 = 100.0;
/// Bytes of a page. Machines with larger ones show less than they use.
const PAGE_BYTES: f64 = 4096.0;

/// Of this process; `None` where there is no `/proc`.
pub(super) fn own() -> Option<Own> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    read(&stat, open_files)
}

/// Fields are counted from 3 (state), behind the name in parentheses, which may hold anything.
fn read(stat: &str, open_files: usize) -> Option<Own> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Own {
        cpu_seconds: (field(14)? + field(15)?) / TICKS,
        threads: field(20)?,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * PAGE_BYTES,
        open_files: open_files as f64,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 7 0 100 8192 3 18446744073709551615 0";
        let own = super::read(stat, 5).unwrap();
        assert_eq!(
            (own.cpu_seconds, own.threads, own.virtual_bytes, own.resident_bytes),
            (3.0, 7.0, 8192.0, 12288.0)
        );
    }
}
