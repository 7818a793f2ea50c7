package lower

// nodesPerStep is how many expressions a step pays for. It is more than most
// statements have, so that they cost one step.
const nodesPerStep = 32

// size is what code costs whenever it runs.
type size struct {
	steps  int // without the blocks within it, whose statements are charged one by one
	height int // how deeply the calls of its closures are within each other
}

// measure tells the size of what compile lowers. Nothing of it is part of the
// size of what is around it.
func (c *compiler) measure(compile func()) size {
	nodes, height, highest := c.nodes, c.height, c.highest
	c.nodes, c.height, c.highest = 0, 0, 0
	compile()
	s := size{1 + c.nodes/nodesPerStep, c.highest}
	c.nodes, c.height, c.highest = nodes, height, highest
	return s
}

// steps is measure for code that runs within the code around it.
func (c *compiler) steps(compile func()) int {
	nodes := c.nodes
	c.nodes = 0
	compile()
	steps := 1 + c.nodes/nodesPerStep
	c.nodes = nodes
	return steps
}

// up notes that what follows runs within what is before it, until down.
func (c *compiler) up() {
	c.height++
	c.highest = max(c.highest, c.height)
}

func (c *compiler) down() { c.height-- }
