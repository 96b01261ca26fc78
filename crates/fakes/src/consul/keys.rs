//! The key-value store: each key with the index of its last change, and those of keys that are gone.

use std::collections::BTreeMap;

/// One value.
#[derive(Clone, Debug)]
pub struct Pair {
    pub value: Vec<u8>,
    pub flags: u64,
    pub created: u64,
    pub modified: u64,
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pairs: BTreeMap<String, Pair>,
    /// When deleted keys were deleted: who waits for a prefix has to hear of it.
    gone: BTreeMap<String, u64>,
    /// The last change of all.
    index: u64,
}

impl Keys {
    /// A key's value.
    pub fn get(&self, key: &str) -> Option<&Pair> {
        self.pairs.get(key)
    }

    /// All keys that begin like this, in order.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Pair)> {
        self.pairs.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The index of a key; of one that is not there, the last change of any. Never zero.
    pub fn index_of(&self, key: &str) -> u64 {
        self.get(key).map_or(self.index, |pair| pair.modified).max(1)
    }

    /// The newest index of all keys that begin like this, deleted ones among them. Never zero.
    pub fn index_below(&self, prefix: &str) -> u64 {
        let alive = self.below(prefix).map(|(_, pair)| pair.modified);
        let gone = self.gone.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, index)| *index);
        alive.chain(gone).max().unwrap_or(self.index).max(1)
    }

    /// Sets a key at an index, and says whether it did: see [`super::Catalog::put`].
    pub fn put(&mut self, key: &str, value: Vec<u8>, flags: u64, cas: Option<u64>, index: u64) -> bool {
        let before = self.pairs.get(key);
        if cas.is_some_and(|cas| cas != before.map_or(0, |pair| pair.modified)) {
            return false;
        }
        let created = before.map_or(index, |pair| pair.created);
        self.pairs.insert(key.into(), Pair { value, flags, created, modified: index });
        self.gone.remove(key);
        self.index = index;
        true
    }

    /// Deletes at an index, and says whether it did. What is not there is deleted already, but not by `cas`.
    pub fn delete(&mut self, key: &str, recurses: bool, cas: Option<u64>, index: u64) -> bool {
        let is_as_expected = |cas: u64| cas > 0 && self.get(key).is_some_and(|pair| pair.modified == cas);
        if cas.is_some_and(|cas| !is_as_expected(cas)) {
            return false;
        }
        let keys: Vec<String> = match recurses {
            true => self.below(key).map(|(key, _)| key.clone()).collect(),
            false => self.pairs.contains_key(key).then(|| key.to_owned()).into_iter().collect(),
        };
        for key in keys {
            self.pairs.remove(&key);
            self.gone.insert(key, index);
            self.index = index;
        }
        true
    }

    /// Sets all indexes back to at most this one.
    pub fn restore(&mut self, index: u64) {
        let modified = self.pairs.values_mut().map(|pair| &mut pair.modified);
        let all = modified.chain(self.gone.values_mut()).chain([&mut self.index]);
        all.for_each(|of| *of = (*of).min(index));
    }
}
