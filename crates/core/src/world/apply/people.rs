//! Rows about people: accounts and memberships.

use std::sync::Arc;

use super::{Touched, need};
use crate::{Account, AccountId, Member, MemberId, Refused, RowKey, World};

impl World {
    pub(super) fn put_account(&mut self, account: &Account, touched: &mut Touched) {
        self.count(account.id.0);
        self.accounts.insert(account.id, Arc::new(account.clone()));
        touched.insert(RowKey::Account(account.id));
    }

    pub(super) fn drop_account(&mut self, id: AccountId, touched: &mut Touched) {
        self.accounts.remove(&id);
        touched.insert(RowKey::Account(id));
    }

    pub(super) fn put_member(
        &mut self,
        member: &Member,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.projects.contains_key(&member.project), "the member's project")?;
        self.count(member.id.0);
        self.members.insert(member.id, Arc::new(member.clone()));
        touched.insert(RowKey::Member(member.id));
        Ok(())
    }

    pub(super) fn drop_member(&mut self, id: MemberId, touched: &mut Touched) {
        self.members.remove(&id);
        touched.insert(RowKey::Member(id));
    }
}
