//! Where the devices of a wave meet that one call shall serve: each sits down at its place in the playbook, and when nobody who
//! could still come there is under way, all who sit there are served together. Late ones make a further batch.
//!
//! Who is *under way* may still come; who sits, is waited for, or waits for another device (`run_once`, `throttle`) may not,
//! unless one of those under way moves first. So when nobody is under way, the foremost place is served: nobody can wait for ever.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::frame::Place;
use crate::batch::{Batch, Seat};
use crate::{Ready, RunOptions};

/// All meeting points of a play.
pub(super) struct Gather {
    groups: RefCell<Vec<Group>>,
    serving: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// Of whoever polls `drive`.
    waker: RefCell<Option<Waker>>,
    /// Groups in which somebody sits.
    met: RefCell<BTreeSet<usize>>,
    /// Counts changes, and how many of them `drive` has seen.
    changes: Cell<u64>,
    seen: Cell<u64>,
    run: std::sync::Arc<str>,
    stop: CancellationToken,
}

/// Devices that walk through the same steps.
#[derive(Default)]
struct Group {
    /// From 1: the number of the wave.
    wave: usize,
    /// Not yet started.
    unborn: usize,
    /// Those under way, by where they are.
    busy: BTreeMap<Place, usize>,
    tables: BTreeMap<Place, Table>,
    /// Tickets given.
    tickets: u64,
    /// How often a place was served.
    batches: BTreeMap<Place, usize>,
}

/// Those who sit at one place.
struct Table {
    ready: Rc<dyn Ready>,
    /// By ticket.
    guests: BTreeMap<u64, (Rc<Seat>, Rc<Walker>)>,
}

/// Where a device of a group is.
#[derive(Default)]
struct Walker {
    at: RefCell<Place>,
    /// How many reasons it has not to be under way.
    idle: Cell<usize>,
}

impl Gather {
    pub(super) fn new(options: &RunOptions, stop: CancellationToken) -> Self {
        Self {
            groups: RefCell::default(),
            serving: RefCell::default(),
            waker: RefCell::default(),
            met: RefCell::default(),
            changes: Cell::new(0),
            seen: Cell::new(0),
            run: options.run.clone(),
            stop,
        }
    }

    /// A group of so many devices, none of them started; `wave` from 1.
    pub(super) fn open(&self, wave: usize, size: usize) -> usize {
        let mut groups = self.groups.borrow_mut();
        groups.push(Group { wave, unborn: size, ..Group::default() });
        groups.len() - 1
    }

    /// Some of a group will never start.
    pub(super) fn unborn(&self, group: usize, count: usize) {
        self.change(group, |group| group.unborn = group.unborn.saturating_sub(count));
    }

    /// One of a group starts.
    pub(super) fn enter(self: &Rc<Self>, group: usize) -> Member {
        let walker = Rc::new(Walker::default());
        self.change(group, |group| {
            group.unborn = group.unborn.saturating_sub(1);
            group.arrive(&walker);
        });
        Member { gather: Rc::clone(self), group, walker }
    }

    /// Serves whoever is to be served: ends each time when somebody was. Polled beside the walks, by one at a time.
    pub(super) async fn drive(&self) {
        poll_fn(|context| {
            *self.waker.borrow_mut() = Some(context.waker().clone());
            self.look();
            match self.serving.borrow_mut().poll_next_unpin(context) {
                Poll::Ready(Some(())) => Poll::Ready(()),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether somebody is being served.
    pub(super) fn is_serving(&self) -> bool {
        !self.serving.borrow().is_empty()
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Group)) {
        let mut groups = self.groups.borrow_mut();
        let Some(group) = groups.get_mut(index) else { return };
        change(group);
        self.changes.set(self.changes.get() + 1);
        let mut met = self.met.borrow_mut();
        if group.tables.is_empty() {
            met.remove(&index);
        } else {
            met.insert(index);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Serves those who have nobody to wait for any more; but first everybody who was woken by a change has their turn, as
    /// whoever rests may have been freed by it.
    fn look(&self) {
        if self.stop.is_cancelled() || self.met.borrow().is_empty() {
            return;
        }
        let changes = self.changes.get();
        if self.seen.replace(changes) != changes {
            return self.wake();
        }
        let mut groups = self.groups.borrow_mut();
        self.met.borrow_mut().retain(|index| {
            let Some(group) = groups.get_mut(*index) else { return false };
            while let Some((place, table)) = group.next_table() {
                let number = *group.batches.entry(place.clone()).and_modify(|count| *count += 1).or_insert(1);
                let name = name(&self.run, group.wave, &place, number);
                self.serve(table, name);
            }
            !group.tables.is_empty()
        });
    }

    fn serve(&self, table: Table, name: String) {
        let Table { ready, guests } = table;
        let seats = guests.into_values().map(|(seat, _)| seat).collect();
        let batch = Batch::new(name, seats, self.stop.clone());
        self.serving.borrow().push(Box::pin(async move {
            if let Some(verb) = ready.gathers() {
                verb.serve(&batch).await;
            }
            batch.close();
        }));
    }
}

/// `run-s3-w1`, with the rounds of loops and retries that are not the first, and the batch if it is not the first one.
fn name(run: &str, wave: usize, place: &Place, batch: usize) -> String {
    let mut name = format!("{run}-w{wave}");
    for (step, round) in place.iter() {
        let round = if *round > 1 { format!(".{round}") } else { String::new() };
        name.push_str(&format!("-s{}{round}", step + 1));
    }
    if batch > 1 {
        name.push_str(&format!("-b{batch}"));
    }
    name
}

impl Group {
    /// Takes the foremost table away when nobody can come to it any more; its guests are under way again, behind it.
    fn next_table(&mut self) -> Option<(Place, Table)> {
        let place = self.tables.first_key_value()?.0.clone();
        if self.unborn > 0 || self.busy.range::<Place, _>(..&place).next().is_some() {
            return None;
        }
        let table = self.tables.remove(&place)?;
        for (_, walker) in table.guests.values() {
            // Who sits is not under way, so nobody counts it at its old place.
            walker.at.replace(place.clone());
            self.rouse(walker);
        }
        Some((place, table))
    }

    fn arrive(&mut self, walker: &Walker) {
        *self.busy.entry(walker.at.borrow().clone()).or_default() += 1;
    }

    fn depart(&mut self, walker: &Walker) {
        let at = walker.at.borrow();
        if let Some(count) = self.busy.get_mut(&*at) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&*at);
            }
        }
    }

    /// One reason more not to be under way.
    fn rest(&mut self, walker: &Walker) {
        let idle = walker.idle.get();
        walker.idle.set(idle + 1);
        if idle == 0 {
            self.depart(walker);
        }
    }

    /// One reason less.
    fn rouse(&mut self, walker: &Walker) {
        let idle = walker.idle.get().saturating_sub(1);
        walker.idle.set(idle);
        if idle == 0 {
            self.arrive(walker);
        }
    }
}

/// A device under way in its group; leaves it when dropped.
pub(super) struct Member {
    gather: Rc<Gather>,
    group: usize,
    walker: Rc<Walker>,
}

impl Member {
    /// It begins a step.
    pub(super) fn at(&self, place: Place) {
        self.gather.change(self.group, |group| {
            let idle = self.walker.idle.get() > 0;
            if !idle {
                group.depart(&self.walker);
            }
            self.walker.at.replace(place);
            if !idle {
                group.arrive(&self.walker);
            }
        });
    }

    /// It waits for something that only others can bring.
    pub(super) fn rest(&self) -> Rest<'_> {
        self.gather.change(self.group, |group| group.rest(&self.walker));
        Rest(self)
    }

    /// It sits down, to be served with the others.
    pub(super) fn sit(&self, place: Place, ready: &Rc<dyn Ready>, seat: Rc<Seat>) -> Sitting<'_> {
        let (sat, at, mut ticket) = (Rc::clone(&seat), place.clone(), 0);
        self.gather.change(self.group, |group| {
            group.rest(&self.walker);
            group.tickets += 1;
            ticket = group.tickets;
            let new = || Table { ready: Rc::clone(ready), guests: BTreeMap::new() };
            group.tables.entry(at).or_insert_with(new).guests.insert(ticket, (sat, Rc::clone(&self.walker)));
        });
        Sitting { member: self, place, ticket, seat }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.gather.change(self.group, |group| {
            if self.walker.idle.get() == 0 {
                group.depart(&self.walker);
            }
        });
    }
}

/// Not under way, until dropped.
pub(super) struct Rest<'m>(&'m Member);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.gather.change(self.0.group, |group| group.rouse(&self.0.walker));
    }
}

/// A device that sits, is served, or was.
pub(super) struct Sitting<'m> {
    member: &'m Member,
    place: Place,
    ticket: u64,
    pub(super) seat: Rc<Seat>,
}

impl Sitting<'_> {
    /// Whether it still waits for others.
    pub(super) fn waits(&self) -> bool {
        let groups = self.member.gather.groups.borrow();
        let table = groups.get(self.member.group).and_then(|group| group.tables.get(&self.place));
        table.is_some_and(|table| table.guests.contains_key(&self.ticket))
    }
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        self.seat.news.borrow_mut().gone = true;
        let Member { gather, group, walker } = self.member;
        gather.change(*group, |group| {
            let Some(table) = group.tables.get_mut(&self.place) else { return };
            if table.guests.remove(&self.ticket).is_none() {
                return;
            }
            if table.guests.is_empty() {
                group.tables.remove(&self.place);
            }
            group.rouse(walker);
        });
    }
}
