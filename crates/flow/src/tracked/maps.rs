//! Source maps, put to use on errors of JavaScript before they are grouped.
//!
//! What an error needs is looked up beside the database's writer ([`look`]), a file at a time, and remembered: which
//! map belongs to a file for some seconds, the maps that were read as long as there is room for them. An error that is
//! not of JavaScript is asked nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Id, Time};
use store::{Result, Tx, artifacts};
use tracker::Event;
use tracker::sourcemap::{self, Found, SourceMap, Wanted, plain};

use super::lately::Lately;
use super::pack::unpacked;

/// Bytes in memory of maps that were read. One that has more is remembered alone.
const MAX_REMEMBERED: usize = 48 << 20;
/// How long it is remembered what belongs to a file, and that nothing does.
const LOOKED_UP: Duration = Duration::from_secs(10);
/// Files for which that is remembered.
const MAX_LOOKED_UP: usize = 5_000;
/// How exactly it is known when a bundle was last needed.
const USED_EVERY: Duration = Duration::from_secs(86_400);

/// What this node remembers of maps.
#[derive(Default)]
pub struct Maps(Mutex<Remembered>);

struct Remembered {
    maps: Lately<Id, Arc<SourceMap>>,
    files: HashMap<Ask, (Use, Time)>,
}

impl Default for Remembered {
    fn default() -> Self {
        Remembered { maps: Lately::new(MAX_REMEMBERED), files: HashMap::new() }
    }
}

/// A file of which the map is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    project: i64,
    release: String,
    build: String,
    file: String,
    debug_id: Option<String>,
    is_of_browser: bool,
}

/// What there is for a file.
#[derive(Clone, Debug)]
enum Use {
    /// A map, by its row.
    Map(Id),
    /// None, though one was to be expected.
    Missing(Arc<str>),
    /// None.
    Nothing,
}

/// What was found for a file.
pub(crate) struct Looked {
    usage: Use,
    /// The map, if it is remembered, or else what is in it, compressed.
    map: Option<Arc<SourceMap>>,
    body: Vec<u8>,
    /// A bundle that was not noted as used for long.
    pub(crate) unnoted: Option<Id>,
}

impl Maps {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what belongs to which file: something was uploaded or removed.
    pub(crate) fn forget_files(&self) {
        self.remembered().files.clear();
    }

    fn map(&self, id: Id) -> Option<Arc<SourceMap>> {
        self.remembered().maps.get(&id)
    }

    fn keep(&self, id: Id, map: &Arc<SourceMap>) {
        self.remembered().maps.put(id, map.clone(), map.weight());
    }

    fn found(&self, ask: &Ask, now: Time) -> Option<Use> {
        let all = self.remembered();
        let (usage, at) = all.files.get(ask)?;
        (*at <= now && now < *at + LOOKED_UP).then(|| usage.clone())
    }

    fn note(&self, ask: &Ask, usage: Use, now: Time) {
        let mut all = self.remembered();
        if all.files.len() >= MAX_LOOKED_UP {
            all.files.clear();
        }
        all.files.insert(ask.clone(), (usage, now));
    }
}

/// The maps of one error, as they are found.
#[derive(Default)]
pub(crate) struct Gathering {
    lacking: Vec<Ask>,
    there: HashMap<String, Place>,
}

enum Place {
    Map(Arc<SourceMap>),
    Missing(Arc<str>),
    Nothing,
}

impl Gathering {
    /// What an error wants, with what is remembered of it.
    pub(crate) fn new(maps: &Maps, project: i64, event: &Event, now: Time) -> Self {
        let mut gathering = Gathering::default();
        for Wanted { file, debug_id } in sourcemap::wanted(event) {
            let ask = Ask {
                project,
                release: event.release.clone().unwrap_or_default(),
                build: event.dist.clone().unwrap_or_default(),
                file,
                debug_id,
                is_of_browser: event.platform == "javascript",
            };
            let place = match maps.found(&ask, now) {
                Some(Use::Map(id)) => maps.map(id).map(Place::Map),
                Some(Use::Missing(why)) => Some(Place::Missing(why)),
                Some(Use::Nothing) => Some(Place::Nothing),
                None => None,
            };
            match place {
                Some(place) => drop(gathering.there.insert(ask.file, place)),
                None => gathering.lacking.push(ask),
            }
        }
        gathering
    }

    /// What is to be looked up next.
    pub(crate) fn lacks(&self) -> Option<&Ask> {
        self.lacking.last()
    }

    /// Takes in what was found for that: a map is read here, which costs time.
    pub(crate) fn put(&mut self, maps: &Maps, looked: Looked, now: Time) {
        let Some(ask) = self.lacking.pop() else { return };
        let mut usage = looked.usage;
        let place = match &usage {
            Use::Map(id) => match looked.map.map_or_else(|| read(maps, *id, &looked.body), Ok) {
                Ok(map) => Place::Map(map),
                Err(why) => {
                    let why: Arc<str> =
                        format!("the source map for {} cannot be read: {why}", plain(&ask.file)).into();
                    usage = Use::Missing(why.clone());
                    Place::Missing(why)
                }
            },
            Use::Missing(why) => Place::Missing(why.clone()),
            Use::Nothing => Place::Nothing,
        };
        maps.note(&ask, usage, now);
        self.there.insert(ask.file, place);
    }

    /// Puts to use what was found.
    pub(crate) fn apply(&self, event: &mut Event) {
        if self.there.is_empty() {
            return;
        }
        sourcemap::apply(event, |file| match self.there.get(file) {
            Some(Place::Map(map)) => Found::Map(map),
            Some(Place::Missing(why)) => Found::Missing(why),
            Some(Place::Nothing) | None => Found::Nothing,
        });
    }
}

fn read(maps: &Maps, id: Id, body: &[u8]) -> std::result::Result<Arc<SourceMap>, String> {
    let text = unpacked(body, None, sourcemap::MAX_MAP).map_err(|error| error.to_string())?;
    let map = Arc::new(SourceMap::read(&text).map_err(|refusal| refusal.detail)?);
    maps.keep(id, &map);
    Ok(map)
}

/// Looks up what there is for a file.
///
/// # Errors
/// When the database is gone.
pub(crate) fn look(maps: &Maps, tx: &mut Tx<'_>, ask: &Ask, now: Time) -> Result<Looked> {
    let file = match search(tx, ask)? {
        Ok(file) => file,
        Err(usage) => return Ok(Looked { usage, map: None, body: Vec::new(), unnoted: None }),
    };
    let map = maps.map(file.id);
    let body = if map.is_some() { Vec::new() } else { artifacts::body(tx, file.id)? };
    let bundle = artifacts::get(tx, file.bundle)?;
    let unnoted = bundle.filter(|it| it.used_at + USED_EVERY <= now).map(|it| it.id);
    Ok(Looked { usage: Use::Map(file.id), map, body, unnoted })
}

/// The map of a file: by the id of its build, or else by release and where it is served from.
fn search(tx: &mut Tx<'_>, ask: &Ask) -> Result<std::result::Result<artifacts::File, Use>> {
    let (any, of_release) = artifacts::has_any(tx, ask.project, &ask.release)?;
    if any
        && let Some(id) = &ask.debug_id
        && let Some(file) = artifacts::by_debug_id(tx, ask.project, id)?
    {
        return Ok(Ok(file));
    }
    let named = of_release && !ask.release.is_empty();
    if named && let Some(file) = by_release(tx, ask)? {
        return Ok(Ok(file));
    }
    // a program that is not built has no maps, and need not be told so
    let is_expected = ask.debug_id.is_some() || of_release || (any && ask.is_of_browser);
    if !is_expected {
        return Ok(Err(Use::Nothing));
    }
    let file = plain(&ask.file);
    let id = ask.debug_id.as_ref().map(|id| format!("with the debug id {id}"));
    let release = match (ask.release.as_str(), ask.build.as_str()) {
        ("", _) => "for it by name, since the event says no release".to_owned(),
        (release, "") => format!("for release {release}"),
        (release, build) => format!("for release {release}, dist {build}"),
    };
    let tried: Vec<String> = id.into_iter().chain([release]).collect();
    Ok(Err(Use::Missing(
        format!("no source map for {file}: none was uploaded {}", tried.join(", nor ")).into(),
    )))
}

fn by_release(tx: &mut Tx<'_>, ask: &Ask) -> Result<Option<artifacts::File>> {
    let of = (ask.release.as_str(), ask.build.as_str());
    for name in sourcemap::names(&ask.file) {
        let Some(built) = artifacts::by_url(tx, ask.project, of, &name)? else { continue };
        if let Some(map) = sourcemap::resolve(&built.url, &built.source_map) {
            for name in sourcemap::names(&map) {
                if let Some(map) = artifacts::by_url(tx, ask.project, of, &name)?.filter(|it| it.is_map) {
                    return Ok(Some(map));
                }
            }
        }
    }
    // the usual name, for those who upload maps alone
    for name in sourcemap::names(&ask.file) {
        if let Some(map) =
            artifacts::by_url(tx, ask.project, of, &format!("{name}.map"))?.filter(|it| it.is_map)
        {
            return Ok(Some(map));
        }
    }
    Ok(None)
}
