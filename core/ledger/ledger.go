package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"time"
	"unicode"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// format names what this package writes.
const format = "dpattn-ledger/1"

// maxLabel is the longest label in bytes.
const maxLabel = 255

// Ledger is the account of one data set. It holds no file open: every method opens it, locks it,
// and closes it. Safe for concurrent use.
type Ledger struct {
	path string
	id   string
}

// Header is what a ledger says of itself.
type Header struct {
	Format    string    `json:"format"`
	ID        string    `json:"id"` // random
	Allowance allowance `json:"allowance"`
	// The neighbours of the first release; all others must have the same. Empty before it.
	Adjacency string `json:"adjacency"`
	Unit      string `json:"unit"`
	Releases  int    `json:"releases"`
	Chain     string `json:"chain"` // SHA-256(SHA-256(... SHA-256(id) entry 1) ...) entry n)
}

// allowance is a privacy.Allowance in JSON. Numbers are the shortest decimals that give their
// float64.
type allowance struct {
	Epsilon      float64 `json:"epsilon"` // 0 where only mu was asked for; so is delta
	Delta        float64 `json:"delta"`
	Mu           float64 `json:"mu"`
	OtherEpsilon float64 `json:"other_epsilon"`
	OtherDelta   float64 `json:"other_delta"`
}

func (a allowance) value() privacy.Allowance {
	return privacy.Allowance{
		Promise: privacy.Budget{Epsilon: a.Epsilon, Delta: a.Delta}, Mu: a.Mu,
		Other: privacy.Budget{Epsilon: a.OtherEpsilon, Delta: a.OtherDelta},
	}
}

// Entry is one release in the ledger.
type Entry struct {
	Number    int     `json:"number"` // from 1
	Label     string  `json:"label"`
	ID        string  `json:"id"`
	Time      string  `json:"time"` // RFC 3339, of the clock of the machine
	Mechanism string  `json:"mechanism"`
	Epsilon   float64 `json:"epsilon"` // what the release promises by itself
	Delta     float64 `json:"delta"`
	// MuSquared is what a Gaussian release spends, two decimal integers; null for others, which
	// spend epsilon and delta.
	MuSquared *Fraction `json:"mu_squared"`
	Request   string    `json:"request_sha256"` // of the parameters and the budget that were asked for
	Digest    string    `json:"release_sha256"`
	Bytes     int       `json:"release_bytes"`
}

// Fraction is a number as two decimal integers.
type Fraction struct {
	Numerator   string `json:"numerator"`
	Denominator string `json:"denominator"`
}

// Request is a release that somebody asks for.
type Request struct {
	Label     string // names it in this ledger: 1..255 bytes of printable UTF-8; empty: its id
	Adjacency string
	Unit      string
	Mechanism string
	Cost      privacy.Cost
	Digest    [32]byte // of everything public that was asked for
	Bytes     int      // of the release file
}

// Draft makes the release that was asked for: its id and its file.
type Draft func() (id [16]byte, file []byte, err error)

// Create makes a new ledger at path. A file that is there already is never replaced.
func Create(path string, a privacy.Allowance) (*Ledger, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fault.NoEntropy(err, "no ledger was made")
	}
	first := sha256.Sum256([]byte(hex.EncodeToString(id[:])))
	header := Header{Format: format, ID: hex.EncodeToString(id[:]), Chain: hex.EncodeToString(first[:]),
		Allowance: allowance{a.Promise.Epsilon, a.Promise.Delta, a.Mu, a.Other.Epsilon, a.Other.Delta}}
	err := createStore(path, func(s *store) error {
		return s.commit(func(b *bbolt.Bucket) error { return b.Put(headerKey, seal(header)) })
	})
	return &Ledger{path, header.ID}, err
}

// Open checks the ledger at path. Whoever may only read it can read it.
func Open(path string) (*Ledger, error) {
	l := &Ledger{path: path}
	book, err := l.Book()
	l.id = book.ID
	return l, err
}

// Book is all of a ledger but the bytes of its releases.
type Book struct {
	Header
	Entries []Entry
	chain   []byte
}

// Book reads and checks the ledger.
func (l *Ledger) Book() (book Book, err error) {
	s, err := openStore(l.path, false, nil)
	if err != nil {
		return Book{}, err
	}
	defer s.close()
	return l.book(s)
}

// Load returns the file of the release with a label.
func (l *Ledger) Load(label string) ([]byte, error) {
	s, err := openStore(l.path, false, nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	book, err := l.book(s)
	if err != nil {
		return nil, err
	}
	e := book.find(label)
	if e == nil {
		return nil, fault.Invalid("label is %q; the ledger has no release of this label", label)
	}
	if err := s.sync(); err != nil {
		return nil, err
	}
	return s.release(*e)
}

// Spend gives the release that is asked for: the one that the ledger has under this label, else the
// one that draft makes, if it can be afforded, once it is on disk. On any error nothing is handed
// out, and nothing was spent, unless the disk failed in the last moment; then the release may be in
// the ledger, where asking again finds it. wait is asked while another process works on the ledger,
// and may end the waiting.
func (l *Ledger) Spend(r Request, wait func() (goOn bool), draft Draft) (file []byte, err error) {
	if err := checkLabel(r.Label); err != nil {
		return nil, err
	}
	if r.Bytes > largest {
		return nil, fault.New(fault.Limit, "the release takes %d bytes; a ledger holds at most %d of each",
			r.Bytes, largest)
	}
	s, err := openStore(l.path, true, wait)
	if err != nil {
		return nil, err
	}
	defer s.close()
	book, err := l.book(s)
	if err != nil {
		return nil, err
	}
	if book.Releases > 0 && (r.Adjacency != book.Adjacency || r.Unit != book.Unit) {
		return nil, fault.New(fault.Mismatch,
			"the ledger is for adjacency %s and units that are %ss; the release is for %s and %ss",
			book.Adjacency, book.Unit, r.Adjacency, r.Unit)
	}
	if e := book.find(r.Label); e != nil {
		if e.Request != hex.EncodeToString(r.Digest[:]) {
			return nil, fault.New(fault.Mismatch,
				"label is %q, which the ledger has with other parameters or another budget; "+
					"a new release needs a new label",
				r.Label)
		}
		// Whoever wrote it may have died before its pages were on disk, or may have seen the disk
		// fail. A transaction of its own puts the header there: should the machine lose some other
		// page of the entry, then the file says so, and forgets nothing.
		if err := s.commit(func(b *bbolt.Bucket) error { return b.Put(headerKey, seal(book.Header)) }); err != nil {
			return nil, err
		}
		return s.release(*e)
	}
	if err := book.Allowance.value().Check(append(book.Costs(), r.Cost)); err != nil {
		return nil, err
	}
	if book.Releases == 0 { // whoever made the file may have died before its name was on disk
		if err := syncFolder(l.path); err != nil {
			return nil, err
		}
	}
	id, file, err := draft()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(file)
	e := Entry{
		Number: book.Releases + 1, Label: r.Label, ID: hex.EncodeToString(id[:]),
		Time: time.Now().UTC().Format(time.RFC3339), Mechanism: r.Mechanism,
		Epsilon: r.Cost.Promise.Epsilon, Delta: r.Cost.Promise.Delta,
		Request: hex.EncodeToString(r.Digest[:]), Digest: hex.EncodeToString(digest[:]), Bytes: len(file),
	}
	if e.Label == "" {
		e.Label = e.ID
	}
	if mu2 := r.Cost.MuSquared; mu2 != nil {
		e.MuSquared = &Fraction{mu2.Num().String(), mu2.Denom().String()}
	}
	entry := mustJSON(e)
	header := book.Header
	header.Adjacency, header.Unit, header.Releases = r.Adjacency, r.Unit, e.Number
	header.Chain = hex.EncodeToString(link(book.chain, entry))
	err = s.commit(func(b *bbolt.Bucket) error {
		if err := b.Put(numbered('r', e.Number), file); err != nil {
			return err
		}
		if err := b.Put(numbered('e', e.Number), entry); err != nil {
			return err
		}
		return b.Put(headerKey, seal(header))
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Costs lists what the releases spent.
func (b *Book) Costs() []privacy.Cost {
	costs := make([]privacy.Cost, 0, len(b.Entries)+1)
	for _, e := range b.Entries {
		costs = append(costs, e.cost())
	}
	return costs
}

// State says what was spent and what is left.
func (b *Book) State() privacy.Statement { return b.Allowance.value().State(b.Costs()) }

func (b *Book) find(label string) *Entry {
	for i := range b.Entries {
		if b.Entries[i].Label == label {
			return &b.Entries[i]
		}
	}
	return nil
}

func (e *Entry) cost() privacy.Cost {
	c := privacy.Cost{Promise: privacy.Budget{Epsilon: e.Epsilon, Delta: e.Delta}}
	if e.MuSquared != nil {
		c.MuSquared = e.MuSquared.rat()
	}
	return c
}

// rat is nil for what is no positive fraction of two decimal integers.
func (f *Fraction) rat() *big.Rat {
	n, okN := new(big.Int).SetString(f.Numerator, 10)
	d, okD := new(big.Int).SetString(f.Denominator, 10)
	if !okN || !okD || n.Sign() <= 0 || d.Sign() <= 0 {
		return nil
	}
	return new(big.Rat).SetFrac(n, d)
}

func checkLabel(label string) error {
	if len(label) > maxLabel {
		return fault.Invalid("label has %d bytes; it must have at most %d", len(label), maxLabel)
	}
	if !utf8.ValidString(label) {
		return fault.Invalid("label is %q; it must be UTF-8", label)
	}
	for _, c := range label {
		if !unicode.IsPrint(c) {
			return fault.Invalid("label is %q; it must be printable", label)
		}
	}
	return nil
}

// ---- What is in the file ----

var headerKey = []byte{'h'}

// numbered is the key of one release's entry or bytes. Big-endian, so that keys are in the order of
// numbers.
func numbered(kind byte, number int) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(number))
}

// link adds an entry to the chain.
func link(chain, entry []byte) []byte {
	sum := sha256.Sum256(append(bytes.Clone(chain), entry...))
	return sum[:]
}

// seal is the header as it is stored.
func seal(h Header) []byte {
	text := mustJSON(h)
	sum := sha256.Sum256(text)
	return append(text, sum[:]...)
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // every number is finite: checked where it came in
	}
	return text
}

// commit changes the bucket. It returns once all is on disk.
func (s *store) commit(change func(*bbolt.Bucket) error) error {
	return s.guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketName)
			if err != nil {
				return err
			}
			return change(b)
		})
	})
}

// view reads the bucket.
func (s *store) view(look func(*bbolt.Bucket) error) error {
	return s.guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketName)
			if b == nil {
				return corrupt(s.path, "it has no header")
			}
			return look(b)
		})
	})
}

// book reads the header and all entries, and makes sure that they are the ones of the header's
// chain and within its allowance.
func (l *Ledger) book(s *store) (book Book, err error) {
	releases := 0
	err = s.view(func(b *bbolt.Bucket) error {
		sealed := b.Get(headerKey)
		if len(sealed) < sha256.Size {
			return corrupt(s.path, "it has no header")
		}
		text := sealed[:len(sealed)-sha256.Size]
		if sum := sha256.Sum256(text); !bytes.Equal(sum[:], sealed[len(text):]) {
			return corrupt(s.path, "the checksum of its header does not match")
		}
		if err := json.Unmarshal(text, &book.Header); err != nil {
			return corrupt(s.path, "its header is not JSON")
		}
		if book.Format != format {
			return fault.New(fault.Unsupported, "ledger %s: its format is %q; this library knows %q",
				s.path, book.Format, format)
		}
		first := sha256.Sum256([]byte(book.ID))
		book.chain = first[:]
		cursor := b.Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			switch {
			case len(key) == 9 && key[0] == 'e':
				var e Entry
				if err := json.Unmarshal(value, &e); err != nil || e.Number != len(book.Entries)+1 ||
					!bytes.Equal(key, numbered('e', e.Number)) {
					return corrupt(s.path, "an entry is not in its place")
				}
				book.Entries, book.chain = append(book.Entries, e), link(book.chain, value)
			case len(key) == 9 && key[0] == 'r':
				releases++
				if !bytes.Equal(key, numbered('r', releases)) {
					return corrupt(s.path, "a release is not in its place")
				}
			case !bytes.Equal(key, headerKey):
				return corrupt(s.path, "it holds something else")
			}
		}
		return nil
	})
	if err != nil {
		return Book{}, err
	}
	if len(book.Entries) != book.Releases || releases != book.Releases || hex.EncodeToString(book.chain) != book.Chain {
		return Book{}, corrupt(s.path, "its entries are not those that its header counts")
	}
	for i := range book.Entries {
		if e := &book.Entries[i]; e.MuSquared != nil && e.MuSquared.rat() == nil {
			return Book{}, corrupt(s.path, "an entry's mu^2 is no fraction")
		}
	}
	if err := book.Allowance.value().Check(book.Costs()); err != nil {
		return Book{}, corrupt(s.path, "more was spent than it allows")
	}
	if l.id != "" && l.id != book.ID {
		return Book{}, fault.New(fault.Mismatch, "ledger %s: another ledger was put in its place", s.path)
	}
	return book, nil
}

// release copies the file of an entry.
func (s *store) release(e Entry) (file []byte, err error) {
	err = s.view(func(b *bbolt.Bucket) error {
		file = bytes.Clone(b.Get(numbered('r', e.Number)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != e.Digest {
		return nil, corrupt(s.path, "the digest of a release does not match")
	}
	return file, nil
}
