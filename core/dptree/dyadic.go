package dptree

import "math/bits"

// dyadic is the shape of a binary tree over leaves 0..leaves-1: node i of level h covers the leaves i*2^h .. (i+1)*2^h - 1, as far as there are so many. Level 0
// has the leaves, the last level the root. It depends on the number of leaves alone.
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

// raise adds to every node the sum of its leaves' values. It uses values as working memory and leaves it zero.
func (d *dyadic) raise(nodes, values []int64) {
	for h := range d.levels() {
		level := nodes[d.first[h]:d.first[h+1]]
		for i := range level {
			level[i] += values[i]
		}
		// Node i of the next level covers nodes 2i and 2i+1 of this one.
		for i := 0; 2*i < len(level); i++ {
			v := values[2*i]
			if 2*i+1 < len(level) {
				v += values[2*i+1]
			}
			values[i] = v
		}
		clear(values[(len(level)+1)/2 : len(level)])
	}
	clear(values[:1])
}

// cover appends the nodes that together cover the leaves lo..hi-1: at most two a level. A range that ends at the last leaf is taken to the end of the last node
// of every level, so that all leaves are one node, the root.
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
