// `hutong journal export`: a program that lies beside this one.
#pragma once

// Runs it with what stands behind the verb. Returns only where it can't: an exit status.
int export_become(int count, char **rest);
