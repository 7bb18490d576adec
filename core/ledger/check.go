package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"

	"dpattn/core/fault"
)

// bbolt's file format, version 2, which has not changed since 2014. A page begins with
//
//	u64 id, u16 kind, u16 count, u32 overflow (further pages that belong to it)
//
// and then has, by kind: the meta data; count elements of a branch (u32 position of the key from
// the element on, u32 length, u64 page); count elements of a leaf (u32 flags, u32 position of key
// and value, u32 length of each); or count numbers of free pages.
const (
	pageSize = 4096

	pageHeader    = 16
	metaSize      = 64
	elementSize   = 16
	branchPage    = 0x01
	leafPage      = 0x02
	metaPage      = 0x04
	freelistPage  = 0x10
	bucketElement = 0x01

	magic   = 0xED0CDAED
	version = 2
	// deepest is more than a tree with two keys a page and 2^32 pages can be.
	deepest = 64
)

// errPages stands for every kind of damage to the pages.
var errPages = errors.New("its pages do not form a database")

type meta struct {
	root, free, end, txid uint64
}

// walk is one pass over a file that must come to an end and touch nothing outside, whatever the
// file holds.
type walk struct {
	file io.ReaderAt
	seen []bool // pages that belong to something
}

// check returns nil if bbolt can work on the file: every page that is in use or free is accounted
// for once, all elements are inside their pages, keys ascend, and both meta pages are whole and of
// neighbouring transactions. It panics with nothing and allocates in proportion to the file.
func check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	w := walk{file: file}
	var m [2]meta
	for i := range m {
		if m[i], err = w.meta(uint64(i)); err != nil {
			return err
		}
	}
	last := m[0]
	if m[1].txid > m[0].txid {
		last = m[1]
	}
	// bbolt would quietly take the other one if one were damaged. A file in which that one is no
	// longer the one before was put together from two.
	if m[0].txid%2 != 0 || m[1].txid%2 != 1 || m[0].txid+m[1].txid != 2*last.txid-1 {
		return errPages
	}
	if last.end > uint64(info.Size())/pageSize {
		return errPages
	}
	w.seen = make([]bool, last.end)
	w.seen[0], w.seen[1] = true, true
	if err := w.freelist(last.free); err != nil {
		return err
	}
	return w.tree(last.root, nil, new([]byte), true, 0)
}

func (w *walk) read(at uint64, size int) ([]byte, error) {
	b := make([]byte, size)
	if _, err := w.file.ReadAt(b, int64(at)); errors.Is(err, io.EOF) {
		return nil, errPages
	} else if err != nil {
		return nil, err
	}
	return b, nil
}

func (w *walk) meta(id uint64) (meta, error) {
	b, err := w.read(id*pageSize, pageHeader+metaSize)
	if err != nil {
		return meta{}, err
	}
	le := binary.LittleEndian
	h := fnv.New64a()
	h.Write(b[pageHeader : pageHeader+metaSize-8])
	body := b[pageHeader:]
	if le.Uint64(b) != id || le.Uint16(b[8:]) != metaPage ||
		le.Uint32(body) != magic || le.Uint32(body[4:]) != version ||
		le.Uint32(body[8:]) != pageSize || le.Uint64(body[56:]) != h.Sum64() {
		return meta{}, errPages
	}
	// body[24:] is the sequence number of the root bucket, which nobody uses.
	return meta{
		root: le.Uint64(body[16:]), free: le.Uint64(body[32:]), end: le.Uint64(body[40:]), txid: le.Uint64(body[48:]),
	}, nil
}

// page is the header of a page, which is noted as used.
type page struct {
	at, size uint64 // of the page with its overflow, in bytes
	kind     uint16
	count    uint64
}

func (w *walk) page(id uint64) (page, error) {
	if id < 2 || id >= uint64(len(w.seen)) {
		return page{}, errPages
	}
	b, err := w.read(id*pageSize, pageHeader)
	if err != nil {
		return page{}, err
	}
	le := binary.LittleEndian
	pages := uint64(le.Uint32(b[12:])) + 1
	if le.Uint64(b) != id || pages > uint64(len(w.seen))-id {
		return page{}, errPages
	}
	for i := id; i < id+pages; i++ {
		if w.seen[i] {
			return page{}, errPages
		}
		w.seen[i] = true
	}
	return page{id * pageSize, pages * pageSize, le.Uint16(b[8:]), uint64(le.Uint16(b[10:]))}, nil
}

// freelist notes the free pages, so that no tree may use one.
func (w *walk) freelist(id uint64) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	at := p.at + pageHeader
	if p.count == 0xFFFF { // then the first number is the count
		b, err := w.read(at, 8)
		if err != nil {
			return err
		}
		p.count, at = binary.LittleEndian.Uint64(b), at+8
	}
	if p.kind != freelistPage || p.count > (p.at+p.size-at)/8 {
		return errPages
	}
	b, err := w.read(at, int(8*p.count))
	if err != nil {
		return err
	}
	for ; len(b) > 0; b = b[8:] {
		free := binary.LittleEndian.Uint64(b)
		if free < 2 || free >= uint64(len(w.seen)) || w.seen[free] {
			return errPages
		}
		w.seen[free] = true
	}
	return nil
}

// tree walks the pages below id. floor is the key that leads here, and after the last key met in
// this bucket so far. Only the root may hold buckets.
func (w *walk) tree(id uint64, floor []byte, after *[]byte, root bool, depth int) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	if p.kind != branchPage && p.kind != leafPage || p.kind == branchPage && p.count == 0 ||
		pageHeader+p.count*elementSize > p.size || depth > deepest {
		return errPages
	}
	elements, err := w.read(p.at+pageHeader, int(p.count*elementSize))
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	for i := uint64(0); i < p.count; i++ {
		e, at := elements[i*elementSize:], pageHeader+i*elementSize
		flags, position, keySize, valueSize := uint32(0), le.Uint32(e), le.Uint32(e[4:]), uint32(0)
		if p.kind == leafPage {
			flags, position, keySize, valueSize = position, keySize, le.Uint32(e[8:]), le.Uint32(e[12:])
		}
		at += uint64(position)
		if uint64(position) < elementSize || keySize > 1<<15 || at+uint64(keySize)+uint64(valueSize) > p.size {
			return errPages
		}
		key, err := w.read(p.at+at, int(keySize))
		if err != nil {
			return err
		}
		if p.kind == branchPage {
			// The keys of this child are from key on, and all before are below it. bbolt leaves the
			// first key of a tree as it once was.
			if *after != nil && bytes.Compare(key, *after) <= 0 {
				return errPages
			}
			if err := w.tree(le.Uint64(e[8:]), key, after, root, depth+1); err != nil {
				return err
			}
			continue
		}
		if keySize == 0 || *after != nil && bytes.Compare(key, *after) <= 0 || bytes.Compare(key, floor) < 0 {
			return errPages
		}
		*after = key
		switch flags {
		case 0:
			if root {
				return errPages
			}
		case bucketElement:
			if !root || valueSize < 16 {
				return errPages
			}
			bucket, err := w.read(p.at+at+uint64(keySize), 16)
			if err != nil {
				return err
			}
			// A bucket of the size of ours is kept inline before anything is released; then its one
			// page follows here, as page 0.
			child := le.Uint64(bucket)
			if child == 0 {
				err = w.inline(p.at+at+uint64(keySize)+16, uint64(valueSize)-16)
			} else {
				err = w.tree(child, nil, new([]byte), false, depth+1)
			}
			if err != nil {
				return err
			}
		default:
			return errPages
		}
	}
	return nil
}

// inline walks the one leaf page of a small bucket, which lies in a value.
func (w *walk) inline(at, size uint64) error {
	if size < pageHeader {
		return errPages
	}
	b, err := w.read(at, int(size))
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	count := uint64(le.Uint16(b[10:]))
	if le.Uint16(b[8:]) != leafPage || pageHeader+count*elementSize > size {
		return errPages
	}
	var after []byte
	for i := uint64(0); i < count; i++ {
		e := b[pageHeader+i*elementSize:]
		from := pageHeader + i*elementSize + uint64(le.Uint32(e[4:]))
		keySize, valueSize := uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
		if le.Uint32(e) != 0 || le.Uint32(e[4:]) < elementSize || keySize == 0 || keySize > 1<<15 ||
			from+keySize+valueSize > size {
			return errPages
		}
		key := b[from : from+keySize]
		if after != nil && bytes.Compare(key, after) <= 0 {
			return errPages
		}
		after = key
	}
	return nil
}

// corrupt is the error for a file that is not, or no longer, a ledger.
func corrupt(path, why string) error {
	return fault.New(fault.Corrupt, "ledger %s: %s; it was cut or altered, or is no ledger", path, why)
}
