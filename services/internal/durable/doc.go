// Package durable keeps what a node has taken responsibility for: queue
// entries, mailboxes and the messages themselves, in one SQLite file.
//
// # Guarantees
//
// [DB.Write] returns nil only after the commit that holds the change has been
// synced (WAL, synchronous=FULL; both are read back when the file is opened).
// A kill -9 or a power cut at any instant loses nothing that Write has
// answered and leaves nothing half written: each function has a SAVEPOINT of
// its own, and SQLite recovers the log when the file is next opened.
//
// # Flow
//
// One goroutine, the writer, owns the only connection that writes. It takes
// whatever waits, runs it in one transaction, commits once and then answers
// everybody: a lone writer waits for nothing but its own sync, and thirty
// writers share one. A group ends when nobody waits or when it reaches a
// bound in count or bytes. What nobody waits for (WriteSoon) begins none for some
// milliseconds: it shares those of others. Checkpoints run after the answers, so that nobody
// waits for them except who comes next. Reads run beside the writer on a few
// connections that are opened when first needed.
//
// Because everybody shares the writer, a function given to Write must not
// wait for the network: [Buffer] holds an incoming message until it is
// complete. Message bodies are stored in chunks of 64 KiB ([WriteBlob],
// [OpenBlob]), so that no message is ever in memory as a whole.
//
// # When the disk is full
//
// Write gives [ErrNoSpace] and keeps nothing. SQLite then undoes the whole
// transaction, so the others of that group get the same answer. Bodies stop
// short of the last few MiB ([WithReserve]): deleting needs room in the log
// too, and a node must be able to get rid of mail when the disk is full of it.
// While the disk is short of room, what is deleted is given back to it: a file
// keeps an account of its pages for that (auto_vacuum), unless it is older than
// this rule; then its own use alone profits from what is free in it.
//
// # When the file is damaged
//
// SQLite notices a damaged page when it comes by, and gives [ErrCorrupt] each time.
// [DB.CheckTables] looks for it where a role must not wait for that, and [Salvage]
// makes a new file of what the pages still hold ([Remains]), so that a damaged one
// costs what was on it: SQLite alone would lose what its trees lead to by that page,
// which with the root is all of a table. Where nothing tells any more what has been
// deleted, nothing is carried over. The damaged file is kept.
//
// # Choice of library
//
// ncruces/go-sqlite3 v0.37 through its native API, against its own
// database/sql driver and against modernc.org/sqlite v1.62, all measured in
// one run on the same grouped writer (two cores, ext4, durable 4 KB inserts):
//
//	                         ncruces native   ncruces database/sql   modernc
//	resident memory, idle          1                1.16               1.22
//	anonymous memory, idle         1                1.21               1.71
//	inserts/s, 1 writer            1                0.96               0.94
//	inserts/s, 32 writers          1                1.04               1.03
//	stripped static binary         1                1.06               0.91
//
// A process that only holds an open database is at 6 MiB, after 1,000 writes
// and a read at 8 MiB, nearly half of it the pages of the binary.
// Throughput is the same within the noise of the disk, so memory decided; the
// native API also spares the callers database/sql's contexts and Rows.Close.
package durable
