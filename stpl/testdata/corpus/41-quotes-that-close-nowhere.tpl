a: {{''''}}
b: {{hostname}}
c: {{f"{f'{f"""{count}"""}'}"}}
