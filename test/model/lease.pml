/*
 * The lease protocol of protocol.md: two nodes and one witness, any interleaving, exhaustively.
 *
 * The comments name the rules: "Voter 2" is rule 2 of its section "Voter", and so on. A rule that a -D leaves out is marked
 * "left out by"; scripts/model checks that the model then fails. docs/model.md: what is abstracted, why that hides no fault.
 *
 * Nothing here is ever forced but the passing of a tick and what the kernel does in it. An agent that is stopped, slow or
 * unreachable is one whose options are not taken; a message is lost by never being taken, late by being taken late.
 */

/* ---- times, in ticks of the owner's clock ------------------------------------------------------------------------ */

#ifndef LEASE
#define LEASE 3 /* L; 3 or 4. Below 3 a BEAT and its ACK could not be a tick apart. */
#endif
#define DRIFT 1 /* rho x L: how far two clocks drift apart over one lease */

/* Owner 1: its lease runs until s + L(1 - rho). Left out by NO_DRIFT_MARGIN. */
#ifdef NO_DRIFT_MARGIN
#define COUNTED LEASE
#else
#define COUNTED (LEASE - DRIFT)
#endif

/* Voter 3: L from receipt by the voter's own clock; as that may be fast, it can be over this much sooner. */
#define PROMISE (LEASE - DRIFT)

/* Voter 4: (1 + rho)L from the restart, again by a clock that may be fast. Left out by NO_MUTE. */
#ifdef NO_MUTE
#define MUTE 0
#else
#define MUTE (LEASE + DRIFT - DRIFT)
#endif

/* ---- bounds of the search ---------------------------------------------------------------------------------------- */

#ifndef TERMS
#define TERMS 3 /* at most 3 */
#endif
#ifndef RESTARTS
#define RESTARTS 2 /* crashes in all, of whichever voter */
#endif

#ifndef NAMES
#define NAMES true /* a RELEASE may name a successor */
#endif

/* ---- state ------------------------------------------------------------------------------------------------------- */

#define WITNESS 2

#define STANDBY 0
#define CANDIDATE 1
#define OWNER 2
#define DEAD 3 /* the agent is gone, and the kernel's guard runs out by itself */

typedef Voter {
  /* Voter 1: on disk. A step that changes one of these has written it before its answer is under way. */
  unsigned maxTerm : 3;
  unsigned servedTerm : 3;
  /* Nobody while maxTerm is 0. */
  unsigned holder : 1;
  /* Voter 1: in memory; ticks left. */
  unsigned promise : 3;
  /* Voter 2: 0 not released, 1 released to anybody, 2 + n released to node n. In memory. */
  unsigned released : 2;
  unsigned mute : 3
};

typedef Node {
  unsigned role : 2;
  /* Newest term asked for in this life of the agent. */
  unsigned term : 3;
  /* Candidate: ticks since its VOTE? was first sent. Owner: ticks since it was elected, as far as they matter. */
  unsigned age : 3;
  unsigned lease : 3;
  /* The guard lets the VIP's traffic through. */
  unsigned open : 1;
  /* Frames under way to this node, or come: VOTE for `term`, SERVED for `term`, ACKs (bit a: of a BEAT sent a ticks ago). */
  unsigned voted : 1;
  unsigned recorded : 1;
  unsigned acks : 4;
  /* Standby 4: on disk. */
  unsigned dataTerm : 3;
  /* Not known to anybody: the newest term that opened and whose data are here in truth. */
  unsigned follows : 3
};

/*
 * Frames under way from a node, by kind; bit t is the one of term t. Once sent they stay and may be taken by any voter at any
 * time, again and in any order, or never: that is loss, delay, duplication and reordering in one.
 */
typedef Frames {
  unsigned vote : 5;
  unsigned beat : 5;
  unsigned served : 5;
  unsigned release : 5;
  /* Of those released: which name the other node as successor. */
  unsigned named : 5
};

Voter voter[3];
Node node[2];
Frames sent[2];
/* Frames of a node's earlier lives that a voter would still take: [3 * node + voter]. */
Frames past[6];

unsigned restarts : 3;
/* Not known to anybody: terms that were ever owned, and the newest one that passed traffic. */
unsigned wonTerms : 5;
unsigned lastOpened : 3;

#define BIT(t) (1 << (t))
#define HAS(set, t) ((set) & BIT(t))
#define PEER(n) (1 - (n))
#define NEWEST(a, b) ((a) > (b) -> (a) : (b))

/* Read by `spin -t`; the search itself prints nothing. */
#define TELL printf

/* ---- properties -------------------------------------------------------------------------------------------------- */

/* Invariant: at no instant can two nodes pass client traffic. */
#define CHECK_TRAFFIC assert(!(node[0].open && node[1].open))
/* A term has one owner. */
#define CHECK_TERM(n) assert(!HAS(wonTerms, node[n].term))
/* Second invariant: nobody opens whose data never followed the last term that served. */
#define CHECK_DATA(n) assert(node[n].follows >= lastOpened)

/* ---- what a voter does ------------------------------------------------------------------------------------------- */

/* Voter 2: what is asked must be above all that was granted. Left out by TWO_VOTES. */
#ifdef TWO_VOTES
#define IS_NEW(v, t) ((t) >= voter[v].maxTerm)
#else
#define IS_NEW(v, t) ((t) > voter[v].maxTerm)
#endif

/* Voter 2: c's dataTerm >= servedTerm. Left out by SERVED_NOT_COMPARED. */
#ifdef SERVED_NOT_COMPARED
#define HAS_DATA(v, c) true
#else
#define HAS_DATA(v, c) (node[c].dataTerm >= voter[v].servedTerm)
#endif

/*
 * Voter 2: no promise, or it has run out, or was released (to c, or to anybody), or c holds it. Left out by
 * GRANT_UNDER_PROMISE.
 */
#ifdef GRANT_UNDER_PROMISE
#define IS_FREE(v, c) true
#else
#define IS_FREE(v, c) \
  (voter[v].holder == c || (voter[v].promise == 0 && (voter[v].released < 2 || voter[v].released == 2 + c)))
#endif

/* Voter 2 and 4 together. */
#define GRANTS(v, c, t) (voter[v].mute == 0 && IS_NEW(v, t) && HAS_DATA(v, c) && IS_FREE(v, c))

/* A VOTE? that comes again because the VOTE was lost: the same vote, and no second one. */
#define GRANTED(v, c, t) (voter[v].maxTerm == (t) && voter[v].holder == c && voter[v].released == 0)

/* Voter 3: for the same holder and term only. */
#define RENEWS(v, c, t) (voter[v].maxTerm == (t) && voter[v].holder == c && voter[v].released == 0)

/*
 * Frames that can have no effect any more are forgotten, which keeps the search small: a VOTE? or a BEAT of a term not above
 * the voter's (but for a candidate's VOTE? that may be repeated), a SERVED? or RELEASE of one below it.
 */
#define ABOVE(set, t) set = ((set) >> (t)) << (t)
#define DROP(frames, t) \
  ABOVE(frames.vote, t + 1); ABOVE(frames.beat, t + 1); \
  ABOVE(frames.served, t); ABOVE(frames.release, t); ABOVE(frames.named, t)
#define DROP_SENT(n) \
  ABOVE(sent[n].vote, (node[n].role == CANDIDATE -> LOWEST : LOWEST + 1)); ABOVE(sent[n].beat, LOWEST + 1); \
  ABOVE(sent[n].served, LOWEST); ABOVE(sent[n].release, LOWEST); ABOVE(sent[n].named, LOWEST)
#define LOWEST \
  (voter[0].maxTerm < voter[1].maxTerm \
    -> (voter[0].maxTerm < voter[2].maxTerm -> voter[0].maxTerm : voter[2].maxTerm) \
    : (voter[1].maxTerm < voter[2].maxTerm -> voter[1].maxTerm : voter[2].maxTerm))
inline forget(who) {
  DROP_SENT(0);
  DROP_SENT(1);
  DROP(past[who], voter[who].maxTerm);
  DROP(past[3 + who], voter[who].maxTerm)
}

/* The vote, or the promise, of v is c's in term t; the owner of a lower term that v may be fences at once (Owner 5). */
inline give(who, whom, newTerm) {
  if
  :: who != WITNESS && who != whom && node[who].role != DEAD && node[who].term <= (newTerm) ->
    if
    :: node[who].role == OWNER -> shut(who)
    :: node[who].role == CANDIDATE -> withdraw(who)
    :: else
    fi
  :: else
  fi;
  voter[who].maxTerm = newTerm;
  voter[who].holder = whom;
  voter[who].released = 0;
  voter[who].promise = PROMISE;
  if
  :: who != WITNESS -> forgetTerm(who)
  :: else
  fi;
  forget(who)
}

/*
 * Frames: of a node's lives, a voter takes frames of an earlier one only until it has taken one of a later; and an answer to
 * an earlier life names a session that is over. Left out by ANY_SESSION.
 */
inline hear(whom, who) {
#ifndef ANY_SESSION
  past[3 * whom + who].vote = 0;
  past[3 * whom + who].beat = 0;
  past[3 * whom + who].served = 0;
  past[3 * whom + who].release = 0;
  past[3 * whom + who].named = 0
#else
  skip
#endif
}

/* VOTE? of the present life: the VOTE goes back. Only the newest term asked for is of interest to the candidate. */
#ifdef TERM_ASKED_AGAIN
#define COUNTS_VOTE(c, t) (node[c].term == t)
#else
#define COUNTS_VOTE(c, t) (node[c].role == CANDIDATE && node[c].term == t)
#endif
#define TAKE_VOTE(v, c, t) \
  :: d_step { \
    HAS(sent[c].vote, t) && (GRANTS(v, c, t) \
      || (GRANTED(v, c, t) && !node[c].voted && node[c].role == CANDIDATE && node[c].term == t)) -> \
      TELL("voter %d takes VOTE %d of node %d\n", v, t, c); \
    hear(c, v); \
    give(v, c, t); \
    node[c].voted = node[c].voted || COUNTS_VOTE(c, t); \
  }

/* BEAT of a term that this node owned, of whatever age: Voter 3, and Voter 6 for a higher term. No ACK that would matter. */
#define TAKE_BEAT(v, c, t) \
  :: d_step { \
    HAS(sent[c].beat, t) && t > voter[v].maxTerm -> TELL("voter %d takes BEAT %d of node %d\n", v, t, c); \
    hear(c, v); \
    give(v, c, t); \
  }

/* BEAT of the present owner, sent a ticks ago: the ACK echoes which. An ACK that cannot lengthen the lease is not noted. */
#ifdef RENEW_ANY /* leaves out Voter 3, "for the same holder and term only" */
#define ACKS(v, c) true
#else
#define ACKS(v, c) (RENEWS(v, c, node[c].term) || node[c].term > voter[v].maxTerm)
#endif
#define TAKE_BEAT_OF_AGE(v, c, a) \
  :: d_step { \
    node[c].role == OWNER && a <= node[c].age && a < COUNTED && !HAS(node[c].acks, a) && IS_LONGER(c, a) && ACKS(v, c) -> \
    TELL("voter %d takes BEAT %d of node %d, sent %d ticks ago\n", v, node[c].term, c, a); \
    hear(c, v); \
    if \
    :: RENEWS(v, c, node[c].term) || node[c].term > voter[v].maxTerm -> give(v, c, node[c].term) \
    :: else \
    fi; \
    node[c].acks = node[c].acks | BIT(a); \
  }

/* SERVED?: only the holder's word counts, or that of an owner not heard of yet. Written before the answer (Voter 1). */
#define AWAITS(c, t) (node[c].role == OWNER && node[c].term == t)
#define MAY_SERVE(v, c, t) \
  ((voter[v].maxTerm == t && voter[v].holder == c) || t > voter[v].maxTerm)
#define NOTE_SERVED(v, c, t) \
  voter[v].released = (t > voter[v].maxTerm -> 0 : voter[v].released); \
  voter[v].maxTerm = t; \
  voter[v].holder = c; \
  voter[v].servedTerm = t
#define TAKE_SERVED(v, c, t) \
  :: d_step { \
    HAS(sent[c].served, t) && MAY_SERVE(v, c, t) \
      && (voter[v].servedTerm != t || (AWAITS(c, t) && !node[c].recorded)) -> \
      TELL("voter %d takes SERVED %d of node %d\n", v, t, c); \
    hear(c, v); \
    NOTE_SERVED(v, c, t); \
    forget(v); \
    node[c].recorded = node[c].recorded || AWAITS(c, t); \
  }

/* RELEASE: the holder's own word, for its term. */
#define MAY_RELEASE(v, c, t) (voter[v].maxTerm == t && voter[v].holder == c && voter[v].released == 0)
inline freeVote(who, whom, isNamed) {
  voter[who].promise = 0;
  voter[who].released = (isNamed -> 2 + PEER(whom) : 1)
}
#define TAKE_RELEASE(v, c, t) \
  :: d_step { \
    HAS(sent[c].release, t) && MAY_RELEASE(v, c, t) -> TELL("voter %d takes RELEASE %d of node %d\n", v, t, c); \
    hear(c, v); \
    freeVote(v, c, HAS(sent[c].named, t)); \
  }

/* The same four from an earlier life of c: they have their effect, and their answer is lost. */
#ifdef ANY_SESSION
#define ANSWER(field, c, t) node[c].field = node[c].field || node[c].term == t
#else
#define ANSWER(field, c, t) skip
#endif
#define TAKE_PAST(v, c, t) \
  :: d_step { HAS(past[3 * c + v].vote, t) && GRANTS(v, c, t) -> \
    TELL("voter %d takes VOTE %d of an earlier life of node %d\n", v, t, c); \
    give(v, c, t); ANSWER(voted, c, t) } \
  :: d_step { \
    HAS(past[3 * c + v].beat, t) && t > voter[v].maxTerm -> \
    TELL("voter %d takes BEAT %d of an earlier life of node %d\n", v, t, c); \
    give(v, c, t) } \
  :: d_step { HAS(past[3 * c + v].served, t) && MAY_SERVE(v, c, t) && voter[v].servedTerm != t -> \
    TELL("voter %d takes SERVED %d of an earlier life of node %d\n", v, t, c); \
    NOTE_SERVED(v, c, t); forget(v); ANSWER(recorded, c, t) } \
  :: d_step { HAS(past[3 * c + v].release, t) && MAY_RELEASE(v, c, t) -> \
    TELL("voter %d takes RELEASE %d of an earlier life of node %d\n", v, t, c); \
    freeVote(v, c, HAS(past[3 * c + v].named, t)) }

#define TAKE_TERM(v, c, t) \
  TAKE_VOTE(v, c, t) TAKE_BEAT(v, c, t) TAKE_SERVED(v, c, t) TAKE_RELEASE(v, c, t) TAKE_PAST(v, c, t)
#define TAKE_FROM(v, c) \
  TAKE_TERM(v, c, 1) TAKE_TERM(v, c, 2) TAKE_TERM(v, c, 3) \
  TAKE_BEAT_OF_AGE(v, c, 0) TAKE_BEAT_OF_AGE(v, c, 1) TAKE_BEAT_OF_AGE(v, c, 2) TAKE_BEAT_OF_AGE(v, c, 3)

/* Voter 2: the 2L for the successor alone are over. At any time, which is more than the rule allows: docs/model.md. */
#define END_OF_SUCCESSION(v) \
  :: d_step { voter[v].released > 1 -> voter[v].released = 1 }

/* A restart keeps what is on disk (Voter 1) and is mute (Voter 4). Left out by VOTE_NOT_PERSISTED. */
inline restartVoter(who) {
  restarts++;
#ifdef VOTE_NOT_PERSISTED
  voter[who].maxTerm = 0;
  voter[who].holder = 0;
#endif
  voter[who].promise = 0;
  voter[who].released = 0;
  voter[who].mute = MUTE
}

/* ---- what a node does -------------------------------------------------------------------------------------------- */

/* Would an ACK of a BEAT sent a ticks ago lengthen the lease? */
#ifdef LEASE_FROM_ACK /* leaves out Owner 1, "s being the send time" */
#define LEASE_AFTER(a) COUNTED
#else
#define LEASE_AFTER(a) (COUNTED - (a))
#endif
#define IS_LONGER(n, a) (LEASE_AFTER(a) > node[n].lease)

/* ACKs that cannot lengthen the lease any more are forgotten. */
inline forgetAcks(self) {
#ifndef LEASE_FROM_ACK
  node[self].acks = node[self].acks & (BIT(COUNTED - node[self].lease) - 1)
#else
  skip
#endif
}

/* What a standby asked for matters only while it is above what it knows. */
inline forgetTerm(self) {
#ifndef TERM_ASKED_AGAIN
  if
  :: node[self].role == STANDBY && node[self].term <= voter[self].maxTerm -> node[self].term = 0
  :: else
  fi
#else
  skip
#endif
}

inline leave(self) {
  node[self].role = STANDBY;
  node[self].age = 0;
  node[self].lease = 0;
  node[self].acks = 0;
  node[self].recorded = 0;
#ifndef TERM_ASKED_AGAIN
  node[self].voted = 0;
#endif
  forgetTerm(self)
}

/* Fencing 1 and 3: guard shut and VIP off, and only then the RELEASE, here without a successor. */
inline shut(self) {
  node[self].open = 0;
  sent[self].release = sent[self].release | BIT(node[self].term);
  leave(self)
}

/* An election given up: votes granted for a term that will not be used are given back. */
inline withdraw(self) {
  sent[self].release = sent[self].release | BIT(node[self].term);
  leave(self)
}

/* A term once asked for is not asked for again: its RELEASE may be under way. Left out by TERM_ASKED_AGAIN. */
#ifdef TERM_ASKED_AGAIN
#define NEXT_TERM(n) (voter[n].maxTerm + 1)
#else
#define NEXT_TERM(n) (NEWEST(voter[n].maxTerm, node[n].term) + 1)
#endif

/* Standby 1: its own promise has run out or been released; it asks for t, higher where a refusal told of higher terms. */
#define MAY_STAND(n) \
  (node[n].role == STANDBY && voter[n].mute == 0 && voter[n].promise == 0 \
    && (voter[n].released < 2 || voter[n].released == 2 + n))
/* Nodes differ in name only, so it may as well be node 0 that stands first. */
#define MAY_BEGIN(n) (n == 0 || voter[0].maxTerm + voter[1].maxTerm + voter[2].maxTerm + node[0].term > 0)
#define IS_TOLD(n, t) (t == voter[PEER(n)].maxTerm + 1 || t == voter[WITNESS].maxTerm + 1)
#define STAND(n, t) \
  :: d_step { \
    t <= TERMS && MAY_STAND(n) && MAY_BEGIN(n) && (t == NEXT_TERM(n) || (t > NEXT_TERM(n) && IS_TOLD(n, t))) -> \
    TELL("node %d asks for term %d\n", n, t); \
    node[n].role = CANDIDATE; \
    node[n].voted = node[n].voted && node[n].term == t; \
    node[n].term = t; \
    node[n].age = 0; \
    sent[n].vote = sent[n].vote | BIT(t); \
  }

/* Standby 1 and 3: a VOTE of a remote voter has come, its own vote is the last; with them (2 of 3) it owns the term. */
#define WIN(n) \
  :: d_step { \
    node[n].role == CANDIDATE && node[n].voted && node[n].age < COUNTED && GRANTS(n, n, node[n].term) -> \
    TELL("node %d wins term %d\n", n, node[n].term); \
    CHECK_TERM(n); \
    wonTerms = wonTerms | BIT(node[n].term); \
    voter[n].maxTerm = node[n].term; \
    voter[n].holder = n; \
    voter[n].released = 0; \
    voter[n].promise = PROMISE; \
    node[n].role = OWNER; \
    node[n].lease = COUNTED - node[n].age; \
    node[n].age = 0; \
    node[n].voted = 0; \
    sent[n].beat = sent[n].beat | BIT(node[n].term); \
    forget(n); \
  }

/* Owner 1 and 3: an ACK with its own promise is a majority; one that comes when the lease has run out is too late. */
#define RENEW(n, a) \
  :: d_step { \
    node[n].role == OWNER && node[n].lease > 0 && HAS(node[n].acks, a) && IS_LONGER(n, a) -> \
    TELL("node %d renews by ACK of BEAT sent %d ago\n", n, a); \
    node[n].lease = LEASE_AFTER(a); \
    voter[n].promise = NEWEST(voter[n].promise, PROMISE - (a)); \
    node[n].acks = node[n].acks & ~BIT(a); \
    forgetAcks(n); \
  }

/* Owner 2: asks all to record that its term serves, its own record first, which also says that its data are of this term. */
#define RECORD(n) \
  :: d_step { \
    node[n].role == OWNER && node[n].lease > 0 && !HAS(sent[n].served, node[n].term) && MAY_SERVE(n, n, node[n].term) -> \
    TELL("node %d records term %d\n", n, node[n].term); \
    NOTE_SERVED(n, n, node[n].term); \
    forget(n); \
    node[n].dataTerm = node[n].term; \
    sent[n].served = sent[n].served | BIT(node[n].term); \
  }

/* Owner 2: opens once a majority has recorded it. Left out by OPEN_UNRECORDED. */
#ifdef OPEN_UNRECORDED
#define IS_RECORDED(n) true
#else
#define IS_RECORDED(n) (node[n].recorded && voter[n].servedTerm == node[n].term)
#endif
#define OPEN(n) \
  :: d_step { \
    node[n].role == OWNER && node[n].lease > 0 && !node[n].open && IS_RECORDED(n) -> \
    TELL("node %d OPENS term %d\n", n, node[n].term); \
    CHECK_DATA(n); \
    node[n].open = 1; \
    CHECK_TRAFFIC; \
    lastOpened = node[n].term; \
    node[n].follows = node[n].term; \
    node[n].dataTerm = node[n].term; \
    NOTE_OPENER(n); \
  }

/* Fencing, at any time and for any cause, with or without a successor. Its order is left out by RELEASE_BEFORE_SHUT. */
#ifdef RELEASE_BEFORE_SHUT
#define SHUT(n) sent[n].release = sent[n].release | BIT(node[n].term); node[n].role = DEAD
#else
#define SHUT(n) shut(n)
#endif
#define FENCE(n) \
  :: d_step { node[n].role == OWNER && node[n].lease > 0 -> \
    TELL("node %d fences and releases term %d\n", n, node[n].term); SHUT(n) } \
  :: d_step { NAMES && node[n].role == OWNER && node[n].lease > 0 -> \
    TELL("node %d fences and releases term %d to its peer\n", n, node[n].term); \
    sent[n].named = sent[n].named | BIT(node[n].term); \
    SHUT(n) }

#define WITHDRAW(n) \
  :: d_step { node[n].role == CANDIDATE -> TELL("node %d withdraws from term %d\n", n, node[n].term); withdraw(n) }

/* Standby 4: its channel receives from the owner that serves. Left out by DATA_TERM_FROM_BEAT: a BEAT tells the term only. */
#ifdef DATA_TERM_FROM_BEAT
#define FOLLOW(n) \
  :: d_step { node[n].role == STANDBY && node[PEER(n)].open && node[n].dataTerm < node[PEER(n)].term -> \
    node[n].dataTerm = node[PEER(n)].term }
#else
#define FOLLOW(n) \
  :: d_step { node[n].role == STANDBY && node[PEER(n)].open && node[n].follows < node[PEER(n)].term -> \
    TELL("node %d follows term %d\n", n, node[PEER(n)].term); \
    node[n].dataTerm = NEWEST(node[n].dataTerm, node[PEER(n)].term); \
    node[n].follows = node[PEER(n)].term }
#endif

/* The agent dies. The guard is the kernel's and stays as it is until its deadline (Owner 4). */
#define DIE(n) \
  :: d_step { restarts < RESTARTS && node[n].role == OWNER && node[n].open -> \
    TELL("node %d agent dies in term %d\n", n, node[n].term); \
    node[n].role = DEAD; node[n].age = 0; node[n].acks = 0 }

/* Starting up: guard shut, VIP removed, standby. What was sent is of an earlier life; what was answered to it is void. */
inline ageFrames(whom, who) {
  past[3 * whom + who].vote = past[3 * whom + who].vote | sent[whom].vote;
  past[3 * whom + who].beat = past[3 * whom + who].beat | sent[whom].beat;
  past[3 * whom + who].served = past[3 * whom + who].served | sent[whom].served;
  past[3 * whom + who].release = past[3 * whom + who].release | sent[whom].release;
  past[3 * whom + who].named = past[3 * whom + who].named | sent[whom].named;
  DROP(past[3 * whom + who], voter[who].maxTerm)
}
#define RESTART_NODE(n) \
  :: d_step { restarts < RESTARTS -> TELL("node %d restarts in term %d\n", n, node[n].term); \
    ageFrames(n, PEER(n)); \
    ageFrames(n, WITNESS); \
    sent[n].vote = 0; sent[n].beat = 0; sent[n].served = 0; sent[n].release = 0; sent[n].named = 0; \
    leave(n); \
    node[n].open = 0; \
    node[n].term = 0; \
    node[n].voted = 0; \
    restartVoter(n); \
  }

/* ---- the model is not empty: each of these must be found to happen ----------------------------------------------- */

#if defined(REACH_HANDOFF)
#define CHECK_REACHED(n) assert(!(n == 1 && node[n].term == 2 && opener[1] == 1))
#elif defined(REACH_RETURN)
#define CHECK_REACHED(n) assert(!(n == 0 && node[n].term == 3 && opener[1] == 1 && opener[2] == 2))
#elif defined(REACH_RESTART)
#define CHECK_REACHED(n) assert(!(node[n].term == 2 && opener[1] == 2 - n && restarts == RESTARTS))
#endif
#ifdef CHECK_REACHED
byte opener[4]; /* by term: 0 nobody, 1 + the node */
#define NOTE_OPENER(n) CHECK_REACHED(n); opener[node[n].term] = 1 + n
#else
#define NOTE_OPENER(n) skip
#endif

/* ---- processes --------------------------------------------------------------------------------------------------- */

active proctype node0() {
  do
  STAND(0, 1) STAND(0, 2) STAND(0, 3) WIN(0) WITHDRAW(0)
  RENEW(0, 0) RENEW(0, 1) RENEW(0, 2) RENEW(0, 3) RECORD(0) OPEN(0) FENCE(0) FOLLOW(0) DIE(0) RESTART_NODE(0)
  TAKE_FROM(0, 1) TAKE_RELEASE(0, 0, 1) TAKE_RELEASE(0, 0, 2) TAKE_RELEASE(0, 0, 3) END_OF_SUCCESSION(0)
  od
}

active proctype node1() {
  do
  STAND(1, 1) STAND(1, 2) STAND(1, 3) WIN(1) WITHDRAW(1)
  RENEW(1, 0) RENEW(1, 1) RENEW(1, 2) RENEW(1, 3) RECORD(1) OPEN(1) FENCE(1) FOLLOW(1) DIE(1) RESTART_NODE(1)
  TAKE_FROM(1, 0) TAKE_RELEASE(1, 1, 1) TAKE_RELEASE(1, 1, 2) TAKE_RELEASE(1, 1, 3) END_OF_SUCCESSION(1)
  od
}

active proctype witness() {
  do
  TAKE_FROM(WITNESS, 0) TAKE_FROM(WITNESS, 1) END_OF_SUCCESSION(WITNESS)
  :: d_step { restarts < RESTARTS -> TELL("the witness restarts\n"); restartVoter(WITNESS) }
  od
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

#define COUNT_DOWN(x) x = ((x) > 0 -> (x) - 1 : 0)

/* Owner 4: the kernel shuts the guard at the lease's end, whether or not anybody wakes. Left out by GUARD_STAYS_OPEN. */
#ifdef GUARD_STAYS_OPEN
#define KERNEL(n) skip
#else
#define KERNEL(n) node[n].open = 0
#endif

inline passNode(self) {
  if
  :: node[self].role == CANDIDATE ->
    node[self].age++;
    if
    :: node[self].age >= COUNTED -> withdraw(self) /* what it could still win would be no lease */
    :: else
    fi
  :: node[self].role == OWNER || node[self].role == DEAD ->
    COUNT_DOWN(node[self].lease);
    node[self].age = (node[self].role == OWNER && node[self].age < COUNTED - 1 -> node[self].age + 1 : node[self].age);
    node[self].acks = (node[self].acks << 1) & (BIT(COUNTED) - 1);
    if
    :: node[self].lease == 0 && node[self].role == OWNER -> /* Owner 3: whatever wakes it, it fences first */
      sent[self].release = sent[self].release | BIT(node[self].term);
      KERNEL(self);
      leave(self)
    :: node[self].lease == 0 && node[self].role == DEAD -> KERNEL(self)
    :: else -> forgetAcks(self)
    fi
  :: else
  fi
}

active proctype clock() {
  do
  :: d_step {
    true -> TELL("tick\n");
    passNode(0); passNode(1);
    COUNT_DOWN(voter[0].promise); COUNT_DOWN(voter[1].promise); COUNT_DOWN(voter[2].promise);
    COUNT_DOWN(voter[0].mute); COUNT_DOWN(voter[1].mute); COUNT_DOWN(voter[2].mute);
  }
  od
}
