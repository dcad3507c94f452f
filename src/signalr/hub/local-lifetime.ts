/**
 * The connections of one node: who they are, in which groups, of which users. A message is in the output queue of each of its
 * receivers when `send` returns, so nobody waits for a slow reader; what such a one may queue is bounded at its connection.
 */
import type { ClientResults, Question } from './client-results.ts';
import { NoConnectionError } from './hub-error.ts';
import type { HubLifetime, Member, Target } from './hub-lifetime.ts';
import type { PreparedInvocation } from './prepared-invocation.ts';

const done = Promise.resolve();

export class LocalLifetime implements HubLifetime {
  readonly #results: ClientResults;
  readonly #members = new Map<string, Member>();
  readonly #users = new MemberSets();
  readonly #groups = new MemberSets();
  /** The names of the groups of those connections that are in one. */
  readonly #groupsOf = new Map<string, Set<string>>();

  constructor(results: ClientResults) {
    this.#results = results;
  }

  connected(member: Member): void {
    this.#members.set(member.id, member);
    if (member.userId !== undefined) this.#users.add(member.userId, member);
  }

  disconnected(member: Member): void {
    if (this.#members.get(member.id) !== member) return;
    this.#members.delete(member.id);
    if (member.userId !== undefined) this.#users.remove(member.userId, member);
    for (const name of this.#groupsOf.get(member.id) ?? []) this.#groups.remove(name, member);
    this.#groupsOf.delete(member.id);
  }

  /** What cannot be encoded is thrown at once, so that it also surfaces where nobody awaits. */
  send(target: Target, invocation: PreparedInvocation): Promise<void> {
    switch (target.kind) {
      case 'all':
        deliver(this.#members.values(), invocation, target.except);
        break;
      case 'connections':
        for (const id of target.ids) this.#members.get(id)?.sendPrepared(invocation);
        break;
      case 'groups':
        for (const name of target.names) deliver(this.#groups.of(name), invocation, target.except);
        break;
      case 'users':
        for (const id of target.ids) deliver(this.#users.of(id), invocation);
        break;
    }
    return done;
  }

  async invoke(connectionId: string, question: Question): Promise<unknown> {
    const member = this.#members.get(connectionId);
    if (member === undefined) throw new NoConnectionError(`Connection '${connectionId}' does not exist.`);
    return await this.#results.ask(member, question);
  }

  addToGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (member === undefined) return done;
    this.#groups.add(group, member);
    const names = this.#groupsOf.get(connectionId);
    if (names === undefined) this.#groupsOf.set(connectionId, new Set([group]));
    else names.add(group);
    return done;
  }

  removeFromGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    const names = this.#groupsOf.get(connectionId);
    if (member === undefined || names?.delete(group) !== true) return done;
    this.#groups.remove(group, member);
    if (names.size === 0) this.#groupsOf.delete(connectionId);
    return done;
  }
}

function deliver(members: Iterable<Member>, invocation: PreparedInvocation, except?: ReadonlySet<string>): void {
  if (except === undefined || except.size === 0) for (const member of members) member.sendPrepared(invocation);
  else for (const member of members) if (!except.has(member.id)) member.sendPrepared(invocation);
}

/** Members by a name that several may have. A set exists while somebody is in it. */
class MemberSets {
  readonly #sets = new Map<string, Set<Member>>();

  of(name: string): Iterable<Member> {
    return this.#sets.get(name) ?? [];
  }

  add(name: string, member: Member): void {
    const set = this.#sets.get(name);
    if (set === undefined) this.#sets.set(name, new Set([member]));
    else set.add(member);
  }

  remove(name: string, member: Member): void {
    const set = this.#sets.get(name);
    set?.delete(member);
    if (set?.size === 0) this.#sets.delete(name);
  }
}
