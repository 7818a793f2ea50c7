one
two: {{count # of them}}
