package simd

// keys are the keys of a batch for a Map, transposed: whatever belongs to one index of the key, or
// to one prefix, lies together for all rows.
type keys struct {
	m        *Map
	capacity int
	f        []int16 // [slots, capacity]: F of the empty prefix (32767), of all prefixes in order, zeros
	g        []int16 // [1 + dim*degree*(degree+1)/2, capacity]: the constant, then g_{t,m}(j)
}

// NewKeys implements FeatureMap.
func (m *Map) NewKeys(capacity int) Keys {
	k := &keys{m: m, capacity: capacity}
	k.f = make([]int16, (m.prefixes()+2)*capacity)
	k.g = make([]int16, m.gains()*capacity)
	for i := range capacity {
		k.f[i], k.g[i] = 32767, m.Const
	}
	return k
}

// Count implements FeatureMap.
func (m *Map) Count() int { return m.Features }

// KeyBytes implements FeatureMap.
func (m *Map) KeyBytes() int { return 2 * (m.prefixes() + 2 + m.gains()) }

// prefixes is the number of prefixes of length 1..Degree-1, but those of length 1, the key itself,
// are always there.
func (m *Map) prefixes() int { return m.first[max(m.Degree, 2)] - 1 }

// gains is the number of rows of g.
func (m *Map) gains() int { return 1 + m.Dim*m.Degree*(m.Degree+1)/2 }

// Set implements Keys.
func (k *keys) Set(i int, x []int16) {
	for j, v := range x {
		k.f[(1+j)*k.capacity+i] = v
	}
}

// Get implements Keys.
func (k *keys) Get(i int, x []int16) {
	for j := range x {
		x[j] = k.f[(1+j)*k.capacity+i]
	}
}

// Set32 implements Keys.
func (k *keys) Set32(first int, x []int16) {
	active.packAll(&k.f[k.capacity+first], &x[0], k.m.Dim, 2*k.capacity)
}

// Clear implements Keys.
func (k *keys) Clear(lo, hi int) {
	for j := range k.m.Dim {
		clear(k.f[(1+j)*k.capacity+lo : (1+j)*k.capacity+hi])
	}
}

// Prepare implements Keys: it computes g and F.
func (k *keys) Prepare(lo, n int) {
	m, stride := k.m, 2*k.capacity
	at := func(a []int16, row int) *int16 { return &a[row*k.capacity+lo] }
	entry := 1
	for t := 1; t <= m.Degree; t++ {
		for i := 1; i <= t; i++ {
			active.scale(at(k.g, entry), at(k.f, 1), m.gain[t][i], m.Dim, stride, n)
			entry += m.Dim
		}
	}
	nodes := m.nodes()
	for t := 2; t < m.Degree; t++ {
		f, parents := at(k.f, m.first[t]), at(k.f, m.first[t-1])
		active.lift(f, parents, at(k.f, 1), words(nodes[t]), &m.lift[t][0], len(nodes[t]), stride, n)
	}
}

// Locate implements Keys.
func (k *keys) Locate(scratch *Scratch, block int) {
	for half := range scratch {
		k.locate(block*Lanes+half*step, &scratch[half])
	}
}

// Fill implements Keys.
func (k *keys) Fill(panel []int32, norms []uint32, scratch *Scratch, lo, n int) {
	for half := range scratch {
		active.gen(&panel[half*step], &scratch[half], &k.f[2*lo], &k.g[2*lo], n, &norms[0])
	}
}

// locate writes where features first..first+15 find their factors: at[2i] in f, at[2i+1] in g, in
// bytes.
func (k *keys) locate(first int, at *[2 * step]int) {
	m := k.m
	table := m.factors()
	zero := m.prefixes() + 1
	for i := range step {
		f, g := zero, 0
		if first+i < m.Features {
			f, g = int(table[first+i].f), int(table[first+i].g)
		}
		at[2*i], at[2*i+1] = f*k.capacity*2, g*k.capacity*2
	}
}

// Wipe implements Keys.
func (k *keys) Wipe() {
	clear(k.f[k.capacity:])
	clear(k.g[k.capacity:])
}
