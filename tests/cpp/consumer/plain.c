/* SPDX-License-Identifier: Apache-2.0 */
#include <fmmp/fmmp.h>
#include <stdio.h>

int main(int argc, char** argv)
{
    fmmp_options options = {0};
    fmmp_estimator* estimator = NULL;
    fmmp_status status;
    options.threads = 1;
    status = fmmp_open(argc > 1 ? argv[1] : "nowhere", &options, &estimator);
    if (status != FMMP_OK) {
        printf("%d %s\n", (int)status, fmmp_last_error());
        return 1;
    }
    printf("%s %s\n", fmmp_version(), fmmp_description(estimator));
    fmmp_close(estimator);
    return 0;
}
