one
two: {{'a'.join(roles)\}}
