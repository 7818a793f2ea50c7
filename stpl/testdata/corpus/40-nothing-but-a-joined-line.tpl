\\
% role = roles.split(",")[0]
% if role:
\\
% end
role: {{role}}
