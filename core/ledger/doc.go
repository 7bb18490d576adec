// Package ledger keeps the privacy account of one data set in a file: what all releases of it may
// spend together, what each has spent, and the bytes of each, so that a budget cannot be spent
// twice.
//
// # What is promised
//
// A release is handed out only after its cost and its bytes are on disk, in one transaction. So at
// every moment, after every crash, what the file says was spent is at least what was handed out; a
// release that is found in the file is synced once more, since whoever wrote it may have died
// before. Asking for a label again gives the same bytes and spends nothing. What does not fit the
// allowance is refused before noise is drawn, by exact comparison (privacy.Allowance). One process
// at a time works on a file; others wait for a while and are then told that it is busy.
//
// # What is not
//
// A builder has no name for its data: that every release of a data set goes through its ledger, and
// no other data set's, is the owner's part. An older copy of the file forgets what was spent since.
// The checksums find damage, not forgery. A disk that said it had failed, and then says it has not,
// is believed by Load (Spend writes anew).
//
// # How
//
// The file is a bbolt database (go.etcd.io/bbolt): copy-on-write pages, a commit syncs the data,
// then the meta page that makes them count, then syncs again. One bucket holds
//
//	h           the header, JSON and its SHA-256: allowance, number of releases, and a hash chain
//	            over their entries
//	e<number>   one entry a release, JSON: label, cost, digest of the request, digest of the bytes
//	r<number>   the bytes of that release
//
// bbolt trusts its file: a damaged page may make it panic, fault or loop, and where the newer of
// the two meta pages is damaged it goes back to the older one, which has forgotten a release. So
// the file is opened for one piece of work at a time, and before bbolt sees it check.go walks all
// of it: every page in its place, both meta pages whole. Then all entries are read and compared
// with the chain.
//
// The file needs a local file system, for the lock (flock) and for syncs that mean it. It is made
// with mode 0600, and belongs with the data: it holds releases alone, but bytes of one that was
// never handed out may be left in unused pages after a crash.
package ledger
