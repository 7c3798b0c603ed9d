//! A table whose keys are small, dense and used again. Nothing else.

/// Values by key.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value in and gives its key.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(key) = self.free.pop() {
            self.places[key as usize] = Some(value);
            return key;
        }
        self.places.push(Some(value));
        (self.places.len() - 1) as u32
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: u32) -> Option<T> {
        let value = self.places.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(value)
    }

    /// The value with this key.
    pub fn get(&self, key: u32) -> Option<&T> {
        self.places.get(key as usize)?.as_ref()
    }

    /// The value with this key.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        self.places.get_mut(key as usize)?.as_mut()
    }

    /// Every key in use, ascending.
    pub fn keys(&self) -> Vec<u32> {
        (0u32..).zip(&self.places).filter(|(_, place)| place.is_some()).map(|(key, _)| key).collect()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Adds a key to an ascending list; returns whether it was not there.
pub fn put(list: &mut Vec<u32>, key: u32) -> bool {
    if list.last().is_none_or(|last| *last < key) {
        list.push(key);
        return true;
    }
    match list.binary_search(&key) {
        Ok(_) => false,
        Err(place) => {
            list.insert(place, key);
            true
        }
    }
}

/// Takes a key out of an ascending list; returns whether it was there.
pub fn drop_key(list: &mut Vec<u32>, key: u32) -> bool {
    match list.binary_search(&key) {
        Ok(place) => {
            list.remove(place);
            true
        }
        Err(_) => false,
    }
}

/// Whether an ascending list has a key.
pub fn has(list: &[u32], key: u32) -> bool {
    list.binary_search(&key).is_ok()
}
