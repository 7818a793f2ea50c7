package syntax

// Walk calls visit for a node and, as long as visit returns true, for all
// within it.
func Walk(n Node, visit func(Node) bool) {
	if visit(n) {
		walkChildren(n, visit)
	}
}

func walkChildren(n Node, visit func(Node) bool) {
	switch n := n.(type) {
	case Stmt:
		walkStmt(n, visit)
	case Expr:
		walkExpr(n, visit)
	case *Handler:
		walkExprs(visit, n.Kind)
		walkStmts(n.Body, visit)
	}
}

func walkStmts(body []Stmt, visit func(Node) bool) {
	for _, s := range body {
		Walk(s, visit)
	}
}

func walkExprs(visit func(Node) bool, exprs ...Expr) {
	for _, e := range exprs {
		if e != nil {
			Walk(e, visit)
		}
	}
}

func walkStmt(s Stmt, visit func(Node) bool) {
	switch s := s.(type) {
	case *ExprStmt:
		walkExprs(visit, s.X)
	case *Text:
		for _, p := range s.Parts {
			walkExprs(visit, p.X)
		}
	case *Assign:
		walkExprs(visit, s.Targets...)
		walkExprs(visit, s.Value)
	case *AugAssign:
		walkExprs(visit, s.Target, s.Value)
	case *Delete:
		walkExprs(visit, s.Targets...)
	case *Return:
		walkExprs(visit, s.X)
	case *Raise:
		walkExprs(visit, s.X, s.Cause)
	case *Assert:
		walkExprs(visit, s.Test, s.Message)
	default:
		walkCompound(s, visit)
	}
}

func walkCompound(s Stmt, visit func(Node) bool) {
	switch s := s.(type) {
	case *If:
		walkExprs(visit, s.Test)
		walkStmts(s.Then, visit)
		walkStmts(s.Else, visit)
	case *For:
		walkExprs(visit, s.Target, s.Iter)
		walkStmts(s.Body, visit)
		walkStmts(s.Else, visit)
	case *While:
		walkExprs(visit, s.Test)
		walkStmts(s.Body, visit)
		walkStmts(s.Else, visit)
	case *Try:
		walkStmts(s.Body, visit)
		for i := range s.Handlers {
			Walk(&s.Handlers[i], visit)
		}
		walkStmts(s.Else, visit)
		walkStmts(s.Finally, visit)
	case *Def:
		walkParams(s.Params, visit)
		walkExprs(visit, s.Decorators...)
		walkStmts(s.Body, visit)
	}
}

func walkParams(p *Params, visit func(Node) bool) {
	for _, param := range p.List {
		walkExprs(visit, param.Default)
	}
}

func walkExpr(e Expr, visit func(Node) bool) {
	switch e := e.(type) {
	case *Joined:
		walkJoined(e, visit)
	case *Tuple:
		walkExprs(visit, e.Elts...)
	case *List:
		walkExprs(visit, e.Elts...)
	case *Set:
		walkExprs(visit, e.Elts...)
	case *Dict:
		walkExprs(visit, e.Keys...)
		walkExprs(visit, e.Values...)
	case *Comp:
		for _, clause := range e.Clauses {
			walkExprs(visit, clause.Target, clause.Iter)
			walkExprs(visit, clause.Ifs...)
		}
		walkExprs(visit, e.Elt, e.Value)
	case *Unary:
		walkExprs(visit, e.X)
	case *Binary:
		walkExprs(visit, e.X, e.Y)
	case *Logic:
		walkExprs(visit, e.Xs...)
	case *Compare:
		walkExprs(visit, e.X)
		walkExprs(visit, e.Rest...)
	case *Cond:
		walkExprs(visit, e.Test, e.X, e.Y)
	default:
		walkPrimary(e, visit)
	}
}

func walkPrimary(e Expr, visit func(Node) bool) {
	switch e := e.(type) {
	case *Lambda:
		walkParams(e.Params, visit)
		walkExprs(visit, e.Body)
	case *Call:
		walkExprs(visit, e.Fn)
		for _, a := range e.Args {
			walkExprs(visit, a.X)
		}
	case *Attr:
		walkExprs(visit, e.X)
	case *Index:
		walkExprs(visit, e.X, e.Key)
	case *Slice:
		walkExprs(visit, e.Start, e.Stop, e.Step)
	case *Star:
		walkExprs(visit, e.X)
	case *Walrus:
		walkExprs(visit, e.Target, e.X)
	}
}

func walkJoined(j *Joined, visit func(Node) bool) {
	for _, p := range j.Parts {
		walkExprs(visit, p.X)
		if p.Spec != nil {
			Walk(p.Spec, visit)
		}
	}
}
