package dptree

import "math/bits"

// dyadic is the shape of a binary tree over leaves 0..leaves-1: node i of level h covers the leaves
// i*2^h .. (i+1)*2^h - 1, as far as there are so many. Level 0 has the leaves, the last level the
// root. It depends on the number of leaves alone.
type dyadic struct {
	leaves int
	first  []int // first[h] is the index of level h's first node; the last entry is the number of nodes
}

func newDyadic(leaves int) dyadic {
	d := dyadic{leaves: leaves, first: []int{0}}
	for width := leaves; ; width = (width + 1) / 2 {
		d.first = append(d.first, d.first[len(d.first)-1]+width)
		if width == 1 {
			return d
		}
	}
}

// levels is ceil(log2 leaves) + 1: how many nodes cover one leaf.
func (d *dyadic) levels() int { return len(d.first) - 1 }

// nodes is how many nodes there are, fewer than 2*leaves + levels.
func (d *dyadic) nodes() int { return d.first[d.levels()] }

// addSums adds to every node [nodes, columns, copies] the sum of its leaves [leaves, columns] times
// scale [leaves], nil for 1. It goes from leaf to leaf, and carries a node's sum up as soon as its
// last leaf is in. sums [levels, columns] is working memory: what the node of each level that is
// being summed up has so far. It is zero before and after.
func (d *dyadic) addSums(nodes, leaves, scale, sums []int64, columns, copies int) {
	lanes := columns * copies
	for g := range d.leaves {
		for c, v := range leaves[g*columns : (g+1)*columns] {
			if scale != nil {
				v *= scale[g]
			}
			sums[c] = v
		}
		for h := 0; ; h++ {
			own := sums[h*columns : (h+1)*columns]
			at := d.first[h] + g>>h
			addToCopies(nodes[at*lanes:(at+1)*lanes], own, copies)
			if h+1 == d.levels() {
				clear(own)
				break
			}
			above := sums[(h+1)*columns : (h+2)*columns]
			for c, v := range own {
				above[c] += v
				own[c] = 0
			}
			if (g+1)>>(h+1)<<(h+1) != g+1 && g+1 != d.leaves {
				break // the node above has more leaves
			}
		}
	}
}

// addToCopies adds each column's value to all copies of it.
func addToCopies(lanes, values []int64, copies int) {
	for _, v := range values {
		for i := range lanes[:copies] {
			lanes[i] += v
		}
		lanes = lanes[copies:]
	}
}

// cover appends the nodes that together cover the leaves lo..hi-1: at most two a level. A range
// that ends at the last leaf is taken to the end of the last node of every level, so that all
// leaves are one node, the root.
func (d *dyadic) cover(list []int32, lo, hi int) []int32 {
	if lo >= hi {
		return list
	}
	if hi == d.leaves {
		hi = 1 << bits.Len(uint(d.leaves-1))
	}
	for h := 0; lo < hi; h++ {
		width := d.first[h+1] - d.first[h]
		if lo&1 == 1 {
			if lo < width { // else it is beyond the last leaf
				list = append(list, int32(d.first[h]+lo))
			}
			lo++
		}
		if hi&1 == 1 {
			hi--
			list = append(list, int32(d.first[h]+hi))
		}
		lo, hi = lo/2, hi/2
	}
	return list
}
