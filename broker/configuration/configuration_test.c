#include "broker/policy/testing.h"
int main(void) {
    return 0;
}
